"""Chains that stay in one mode are told, and tempering moves them."""

from __future__ import annotations

from typing import Any

import arviz as az
import pytest
import torch
from small_machines import Chain, joint, made

import dgmppl
from dgmppl.energy import BlockGibbs, ParallelTempering, Spins, machine_of
from dgmppl.objectives import PersistentContrastiveDivergence
from dgmppl.posterior import machine_chains


def two_modes() -> tuple[Any, Any]:
    """16 spins that agree, up and down nearly alike: block Gibbs hardly ever turns them all."""
    program = Chain(Spins(8), Spins(8))
    with torch.no_grad():
        program.weight[0].fill_(0.3)
        for bias in program.bias:
            bias.fill_(0.02)
    return program, machine_of(program, torch.ones(2, 8).double())


TEMPERED = ParallelTempering((1.0, 0.7, 0.5, 0.3, 0.15))


def test_replicas_keep_the_distribution() -> None:
    program, machine = made("spins")
    states, log_w = joint(program, machine)
    torch.manual_seed(0)
    powers = ParallelTempering((1.0, 0.5, 0.2))
    starts = [torch.multinomial((p * log_w).softmax(0), 40_000, True) for p in powers.powers]
    moved = {n: v[torch.cat(starts)] for n, v in states.items()}
    for _ in range(3):
        moved = powers(machine, moved)
    for i, power in enumerate(powers.powers):
        p = (power * log_w).softmax(0)
        for name, value in states.items():
            found = moved[name][i * 40_000 : (i + 1) * 40_000].mean(0)
            error = (1 - (p @ value) ** 2).sqrt() / 40_000**0.5
            assert bool(((found - p @ value).abs() < 5 * error).all())


def test_tempering_visits_both_modes() -> None:
    program, machine = two_modes()
    states, log_w = joint(program, machine)
    up = float(log_w.softmax(0) @ (states["v"].sum(1) > 0).double())
    torch.manual_seed(0)
    down = {n: -torch.ones(5 * 400, 8).double() for n in ("v", "h1")}
    stuck, moved = {n: v[:400] for n, v in down.items()}, down
    for _ in range(100):
        stuck, moved = BlockGibbs()(machine, stuck), TEMPERED(machine, moved)
    assert float((stuck["v"].sum(1) > 0).double().mean()) < 0.1
    found = float((moved["v"][:400].sum(1) > 0).double().mean())
    assert abs(found - up) < 5 * (up * (1 - up) / 400) ** 0.5


def test_arviz_tells_which_chains_mix() -> None:
    program, _ = two_modes()
    start = {n: torch.ones(20, 8).double() for n in ("v", "h1")}
    half = {n: torch.cat([v[:2], -v[:2]]) for n, v in start.items()}  # two in each mode
    poor = machine_chains(program, num_samples=200, num_warmup=0, start=half, seed=0)
    spread = {n: v.clone() for n, v in start.items()}
    for value in spread.values():
        value[2:4] = -1.0
    good = machine_chains(
        program, num_samples=2000, num_warmup=100, sampler=TEMPERED, start=spread, seed=0
    )
    rhat = [az.summary(c, var_names=["visible_mean"])["r_hat"].iloc[0] for c in (poor, good)]
    assert rhat[0] > 1.5 and rhat[1] < 1.05
    assert az.summary(good, var_names=["log_factor"])["ess_bulk"].iloc[0] > 200


def test_a_persistent_objective_keeps_the_replicas() -> None:
    program, _ = made("binary")
    objective = PersistentContrastiveDivergence(num_chains=6, sampler=ParallelTempering((1.0, 0.5)))
    x = torch.ones(12, 5).double()
    binding = dgmppl.bind(program, x)
    chains = objective.state(binding, x)
    assert chains.states()["v"].shape == (12, 5)  # type: ignore[operator]
    run = dgmppl.fit(program, x, objective, epochs=1, batch_size=6, device="cpu", progress=False)
    assert run.step == 2


def test_bad_powers_are_told() -> None:
    for powers in ((), (0.5,), (1.0, 1.0), (1.0, 0.0)):
        with pytest.raises(ValueError, match="powers from 1 downwards"):
            ParallelTempering(powers)
    _, machine = made("binary")
    with pytest.raises(ValueError, match="Expected 5 replicas"):
        ParallelTempering()(machine, machine.initial(4))
