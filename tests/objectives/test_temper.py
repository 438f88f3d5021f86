"""Powers on sites move the gradient, never the reported bound."""

from __future__ import annotations

import pytest
import torch
from enumerable import Switch
from enumerable import data as few_numbers
from linear_gaussian import LinearGaussian, data
from statistics_of import agree, exact_gradient, gradients, values

from dgmppl.binding import bind
from dgmppl.objectives import ELBO, IWAE, Objective, Progress, ScoreFunction
from dgmppl.schedules import Cyclic, Linear

WARM_UP = Linear(0.0, 4.0, epochs=10)
TEMPERED = [
    (ELBO(temper=0.5), 0.5),
    (ELBO(temper=4), 4.0),
    (ELBO(temper={"z": 4.0}), 4.0),
    (ELBO(temper={"z": 4.0}, analytic_kl=False), 4.0),
    (ELBO(temper=WARM_UP), 2.0),
    (ELBO(temper={"z": WARM_UP}), 2.0),
    (ELBO(temper={"z": Cyclic(0.0, 1.0, period=20)}), 0.5),
    (ELBO(temper=0.0), 0.0),
    (ELBO(temper=4.0, gradient=ScoreFunction()), 4.0),
]


@pytest.mark.parametrize(("objective", "power"), TEMPERED, ids=repr)
def test_the_value_is_the_bound(objective: ELBO, power: float) -> None:
    program, x = LinearGaussian(1.0), data().repeat(20, 1)
    agree(values(objective, program, x, 100), program.elbo(x).mean().detach())


@pytest.mark.parametrize(("objective", "power"), TEMPERED, ids=repr)
def test_the_gradient_is_the_tempered_one(objective: ELBO, power: float) -> None:
    program, x = LinearGaussian(1.0), data()
    tempered = program.elbo(x) + (1 - power) * program.divergence(x)
    truth = exact_gradient(tempered.mean(), program)
    drawn = gradients(objective, program, x.repeat(50, 1), 200, Progress(epoch=5.0))
    agree(drawn, truth)


def test_the_likelihood_has_a_power_too() -> None:
    program, x = LinearGaussian(1.0), data()
    tempered = 3 * program.elbo(x) + 2 * program.divergence(x)
    truth = exact_gradient(tempered.mean(), program)
    agree(gradients(ELBO(temper={"x": 3.0}), program, x.repeat(50, 1), 200), truth)


@pytest.mark.parametrize("analytic_kl", [True, False])
def test_discrete_draws(analytic_kl: bool) -> None:
    program, x = Switch(), few_numbers()
    truth = exact_gradient(program.elbo(x, power=3.0).mean(), program)
    objective = ELBO(temper=3.0, analytic_kl=analytic_kl)
    agree(gradients(objective, program, x.repeat(30), 300), truth)


def test_importance_weighting_reports_the_bound() -> None:
    program, x = LinearGaussian(1.0), data()
    results = []
    for objective in (IWAE(4), IWAE(4, temper=3.0)):
        torch.manual_seed(0)
        results.append(objective.value(bind(program, x), x, Progress()))
    assert torch.equal(*results)


@pytest.mark.parametrize("epoch", [0.0, 5.0, 20.0])
def test_a_schedule_is_read_at_its_epoch(epoch: float) -> None:
    objective: Objective = ELBO(temper=WARM_UP)
    constant = ELBO(temper=WARM_UP(epoch))
    program, x = LinearGaussian(1.0), data()
    torch.manual_seed(0)
    first = gradients(objective, program, x, 1, Progress(epoch=epoch))
    torch.manual_seed(0)
    assert torch.equal(first, gradients(constant, program, x, 1))
