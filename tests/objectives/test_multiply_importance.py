"""Averages of importance-weighted bounds stand between the ELBO and IWAE."""

from __future__ import annotations

import pytest
import torch
from linear_gaussian import LinearGaussian, data
from statistics_of import agree, gradients, values

from dgmppl.binding import bind
from dgmppl.objectives import (
    ELBO,
    IWAE,
    MIWAE,
    VIMCO,
    DoublyReparameterized,
    Objective,
    PerRole,
    Progress,
    ScoreFunction,
)


def value(objective: Objective) -> torch.Tensor:
    torch.manual_seed(0)
    return objective.value(bind(LinearGaussian(0.5), data()), data(), Progress())


def test_its_ends_are_the_two_bounds() -> None:
    one = MIWAE(num_groups=1, num_particles=6)
    many = MIWAE(num_groups=6, num_particles=1)
    torch.testing.assert_close(value(one), value(IWAE(num_particles=6)))
    torch.testing.assert_close(value(many), value(ELBO(num_particles=6, analytic_kl=False)))


def test_it_has_the_mean_of_one_group() -> None:
    program, x = LinearGaussian(0.5), data().repeat(100, 1)
    several = values(MIWAE(num_groups=4, num_particles=3), program, x, 60)
    one = values(IWAE(num_particles=3), program, x, 60)
    agree(several[:, None], one[:, None])
    assert several.var() < one.var()


@pytest.mark.parametrize("gradient", [DoublyReparameterized(), VIMCO(), ScoreFunction()], ids=repr)
def test_estimators_agree(gradient: VIMCO) -> None:
    program, x = LinearGaussian(0.3), data().repeat(40, 1)
    path = gradients(IWAE(num_particles=3), program, x, 200)
    objective = MIWAE(num_groups=2, num_particles=3, gradient=gradient)
    agree(gradients(objective, program, x, 200), path)


def test_a_sum_of_bounds_is_a_bound() -> None:
    """CIWAE."""
    program, x = LinearGaussian(0.5), data().repeat(100, 1)
    mixed = values(0.5 * ELBO() + 0.5 * IWAE(num_particles=8), program, x, 40).mean()
    low, high = (values(o, program, x, 40).mean() for o in (ELBO(), IWAE(num_particles=8)))
    assert low < mixed < high < program.log_evidence(x).mean()


def test_players_of_one_step_have_bounds_of_their_own() -> None:
    """PIWAE: the model's gradient is that of M·K particles, the guide's that of M groups."""
    program, x = LinearGaussian(0.3), data().repeat(40, 1)
    binding = bind(program, x)
    objective = PerRole(model=IWAE(num_particles=6), guide=MIWAE(num_groups=2, num_particles=3))
    model, guide = objective.phases(binding)
    assert (model.roles, guide.roles) == (("model",), ("guide",))
    names = binding.roles["guide"]
    assert set(names).isdisjoint(binding.roles["model"])
    assert str(objective).startswith("model: E_q[log 1/6")
