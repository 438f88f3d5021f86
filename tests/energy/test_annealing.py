"""Annealed estimates of log Z bracket the exact value."""

from __future__ import annotations

import math

import pytest
import torch
from small_machines import MACHINES, joint, made

from dgmppl.energy import AnnealedPath, exact_log_partition

POWERS = torch.linspace(0, 1, 201).tolist()
LISTED = [name for name in MACHINES if name != "gaussian"]


@pytest.mark.parametrize("name", LISTED)
def test_forwards_and_backwards_bracket_log_z(name: str) -> None:
    program, machine = made(name)
    start = machine.initial(1)
    exact = float(exact_log_partition(machine, start).detach())
    path = AnnealedPath.of(machine, start=start)
    torch.manual_seed(1)
    below, _ = path.forward(POWERS, 1000)
    states, log_w = joint(program, machine)
    chosen = torch.multinomial(log_w.softmax(0), 1000, replacement=True)
    above = path.backward(POWERS, {n: v[chosen] for n, v in states.items()})
    assert abs(below.value - exact) < 4 * below.standard_error + 1e-9
    assert abs(above.value - exact) < 4 * above.standard_error + 1e-9
    assert below.standard_error < 0.05 and above.standard_error < 0.05


def test_weights_are_unbiased_at_any_number_of_steps() -> None:
    """Z is the mean weight, and 1/Z that of the way back, also where both are far from log Z."""
    program, machine = made("deep")
    states, log_w = joint(program, machine)
    exact = float(log_w.logsumexp(0))
    path = AnnealedPath.of(machine)
    torch.manual_seed(2)
    below, _ = path.forward([0.0, 0.5, 1.0], 100_000)
    chosen = torch.multinomial(log_w.softmax(0), 100_000, replacement=True)
    above = path.backward([0.0, 0.5, 1.0], {n: v[chosen] for n, v in states.items()})
    for found in (below, above):
        assert abs(found.value - exact) < 4 * found.standard_error < 0.2


def test_chains_end_as_draws_of_the_machine() -> None:
    program, machine = made("binary")
    states, log_w = joint(program, machine)
    torch.manual_seed(3)
    _, last = AnnealedPath.of(machine).forward(POWERS, 4000)
    p = log_w.softmax(0)
    for name, value in states.items():
        mean = p @ value
        error = (mean * (1 - mean) / 4000).sqrt()
        assert bool(((last[name].mean(0) - mean).abs() < 5 * error).all())


def test_gaussian_units_and_a_base_from_data() -> None:
    program, machine = made("gaussian")
    exact = float(exact_log_partition(machine).detach())
    torch.manual_seed(1)
    data = {"v": 0.5 + 1.5 * torch.randn(50, 2, dtype=torch.float64)}
    for path in (AnnealedPath.of(machine), AnnealedPath.of(machine, data)):
        found, _ = path.forward(POWERS, 1000)
        assert abs(found.value - exact) < 4 * found.standard_error < 0.3
    assert path.summed == ("h1",) and program is not None


def test_the_base_of_data_has_their_means() -> None:
    _, machine = made("categorical")
    data = machine.initial(4000)["v"]
    path = AnnealedPath.of(machine, {"v": data})
    mean = machine.layers["v"].mean(path.base["v"])
    torch.testing.assert_close(mean[0], data.mean(0), atol=1e-3, rtol=0)


def test_no_step_at_all_is_the_base_alone() -> None:
    _, machine = made("binary")
    found, _ = AnnealedPath.of(machine).forward([0.0], 3)
    assert found.value == pytest.approx(9 * math.log(2))
    assert found.effective_sample_size == pytest.approx(3)
