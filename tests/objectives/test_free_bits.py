"""Free bits: a site below its free nats passes no gradient, and the bound stays the bound."""

from __future__ import annotations

import pytest
import torch
from linear_gaussian import LinearGaussian, data
from statistics_of import exact_gradient, gradients

from dgmppl.binding import bind
from dgmppl.objectives import ELBO, ObjectiveError, Progress
from dgmppl.schedules import Linear


def slope(objective: ELBO, progress: Progress | None = None) -> torch.Tensor:
    torch.manual_seed(0)
    return gradients(objective, LinearGaussian(0.5), data(), 1, progress)[0]


def test_above_them_nothing_changes() -> None:
    kl = LinearGaussian(0.5).divergence(data()).mean()
    torch.testing.assert_close(slope(ELBO(free_bits=float(kl.detach()) - 0.01)), slope(ELBO()))


@pytest.mark.parametrize("setting", [100.0, {"z": 100.0}, Linear(100.0, 0.0, epochs=10)])
def test_below_them_the_divergence_has_no_gradient(setting: float) -> None:
    program = LinearGaussian(0.5)
    kl = exact_gradient(program.divergence(data()).mean(), program)
    found = slope(ELBO(free_bits=setting))
    torch.testing.assert_close(found, slope(ELBO()) + kl)


def test_a_schedule_takes_them_away() -> None:
    setting = Linear(100.0, 0.0, epochs=10)
    torch.testing.assert_close(slope(ELBO(free_bits=setting), Progress(epoch=10.0)), slope(ELBO()))


@pytest.mark.parametrize("analytic_kl", [True, False])
def test_the_reported_value_is_the_bound(analytic_kl: bool) -> None:
    binding, found = bind(LinearGaussian(0.5), data()), []
    for free in (None, 100.0):
        torch.manual_seed(0)
        objective = ELBO(free_bits=free, analytic_kl=analytic_kl)
        found.append(objective.value(binding, data(), Progress()))
    assert torch.equal(*found)


def test_an_unknown_site_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="free_bits names the site 'y'"):
        ELBO(free_bits={"y": 1.0}).check(bind(LinearGaussian(), data()))
