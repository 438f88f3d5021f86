"""Moves along the gradient keep the distribution; scores and classifiers find it."""

from __future__ import annotations

import math
from typing import Any

import pyro
import pytest
import torch
from small_machines import hidden_chi_square, hidden_of_gaussian, made
from torch import Tensor, nn

import dgmppl
from dgmppl.energy import HMC, EnergyError, Langevin, Real, machine_of
from dgmppl.objectives import (
    NoiseContrastive,
    PersistentContrastiveDivergence,
    ScoreMatching,
)
from dgmppl.objectives.objective import Progress


class Well(dgmppl.Program):
    """−E = −x⁴ / 4 + x² / 2 + a x in each of two dimensions, and a Gaussian's precision."""

    def __init__(self, quartic: float = 1.0) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([0.3, -0.2], dtype=torch.float64))
        self.log_precision = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.quartic = quartic

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            x = dgmppl.units("x", Real(2), obs=x)
            own = self.quartic * (x.square() - 0.25 * x**4)
            own = own - 0.5 * self.log_precision.exp() * x.square() + self.a * x
            pyro.factor("energy", own.sum(-1))
        return x


def moments(program: Well) -> tuple[Tensor, Tensor]:
    """Of each dimension, by quadrature."""
    ticks = torch.linspace(-6, 6, 20_001, dtype=torch.float64)
    at = ticks[:, None].expand(-1, 2)
    own = program.quartic * (at.square() - 0.25 * at**4)
    own = own - 0.5 * program.log_precision.exp() * at.square() + program.a * at
    p = own.softmax(0).detach()
    return (p * at).sum(0), (p * at.square()).sum(0)


@pytest.mark.parametrize("sampler", [Langevin(0.5), HMC(0.3, leapfrog=5)])
def test_moves_keep_the_distribution(sampler: Any) -> None:
    program = Well()
    machine = machine_of(program, torch.zeros(3, 2).double())
    torch.manual_seed(0)
    states: Any = machine.initial(4000)
    for _ in range(200):
        states = sampler(machine, states)
    first, second = moments(program)
    x = states["x"]
    error = (second - first**2).sqrt() / 4000**0.5
    assert bool(((x.mean(0) - first).abs() < 5 * error).all())
    assert bool(((x.square().mean(0) - second).abs() < 5 * x.square().std(0) / 4000**0.5).all())


def test_they_move_gaussian_units_and_draw_the_others() -> None:
    """A Gaussian machine by HMC has the hidden units of the exact one."""
    program, machine = made("gaussian")
    p = hidden_of_gaussian(program, machine)[1]
    torch.manual_seed(0)
    states: Any = machine.initial(4000)
    for _ in range(60):
        states = HMC(0.3, leapfrog=5)(machine, states)
    assert hidden_chi_square(states["h1"], p) < 15 + 5 * math.sqrt(30)
    with pytest.raises(EnergyError, match="layer of Real or Gaussian units"):
        HMC()(made("binary")[1], made("binary")[1].initial(2))


def test_real_units_have_no_conditional() -> None:
    machine = machine_of(Well(), torch.zeros(3, 2).double())
    with pytest.raises(dgmppl.ProgramError, match=r"Try Langevin\(\) or HMC"):
        machine.marginal(machine.initial(2), ["x"])
    assert dgmppl.evidence(Well(), torch.zeros(3, 2).double()).kind == "unavailable"


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_score_matching_of_a_gaussian_is_at_rest_at_its_moments(noise: float) -> None:
    """The gradient at the maximum-likelihood parameters (of the noisy data) is zero on average."""
    torch.manual_seed(0)
    x = torch.tensor([0.5, -1.0]).double() + torch.randn(200_000, 2, dtype=torch.float64)
    program = Well(quartic=0.0)
    variance = x.var(0) + noise**2
    with torch.no_grad():
        program.log_precision.copy_(-variance.log())
        program.a.copy_(x.mean(0) / variance)
    binding = dgmppl.bind(program, x)
    objective = ScoreMatching(noise)
    loss = objective.phases(binding)[0].loss(binding, x, Progress())
    found = torch.autograd.grad(loss.surrogate, [program.a, program.log_precision])
    for slope in found:
        assert float(slope.abs().max()) < 0.03
    with torch.no_grad():
        program.log_precision.add_(0.3)
    loss = objective.phases(binding)[0].loss(binding, x, Progress())
    assert float(torch.autograd.grad(loss.surrogate, program.log_precision)[0].min()) > 0.1


def test_noise_contrast_learns_log_z() -> None:
    torch.manual_seed(0)
    x = torch.tensor([0.5, -1.0]) + 0.7 * torch.randn(4000, 2)
    program = Well(quartic=0.0).float()
    objective = NoiseContrastive(ratio=2, spread=1.5)
    run = dgmppl.fit(
        program,
        x,
        objective,
        epochs=60,
        batch_size=500,
        device="cpu",
        progress=False,
        optimizer=lambda p: torch.optim.Adam(p, lr=0.02),
    )
    precision, a = program.log_precision.detach().exp(), program.a.detach()
    exact = (0.5 * a**2 / precision + 0.5 * (2 * math.pi / precision).log()).sum()
    assert abs(run.history.epochs[-1]["log_z"] - float(exact)) < 0.1
    torch.testing.assert_close(1 / precision, x.var(0), atol=0.06, rtol=0)


def test_networks_learn_by_langevin_chains() -> None:
    """The moments of data that chains have to find: a double well's."""
    torch.manual_seed(0)
    truth = Well()
    states: Any = machine_of(truth, torch.zeros(3, 2).double()).initial(3000)
    for _ in range(200):
        states = HMC(0.3, leapfrog=5)(machine_of(truth), states)
    program = Well()
    with torch.no_grad():
        program.a.zero_()
    objective = PersistentContrastiveDivergence(5, 500, Langevin(0.5), restart=0.02)
    dgmppl.fit(
        program,
        states["x"],
        objective,
        epochs=40,
        batch_size=500,
        device="cpu",
        progress=False,
        optimizer=lambda p: torch.optim.Adam(p, lr=0.02),
    )
    torch.testing.assert_close(program.a.data, truth.a.data, atol=0.1, rtol=0)


def test_score_matching_needs_real_units() -> None:
    program, _ = made("binary")
    with pytest.raises(EnergyError, match="needs real visible units; site 'v' has Binary"):
        dgmppl.fit(program, torch.ones(4, 5).double(), ScoreMatching(), epochs=1, progress=False)
