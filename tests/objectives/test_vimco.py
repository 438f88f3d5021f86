"""VIMCO: the same mean as the plain score function, with less noise."""

from __future__ import annotations

import pytest
import torch
from enumerable import Switch, data
from linear_gaussian import LinearGaussian
from linear_gaussian import data as vectors
from statistics_of import agree, exact_gradient, gradients

from dgmppl.binding import bind
from dgmppl.objectives import ELBO, IWAE, VIMCO, ObjectiveError, Renyi, ScoreFunction


def test_its_mean_is_the_gradient_by_enumeration() -> None:
    program, x = Switch(), data()
    truth = exact_gradient(program.importance_bound(x).mean(), program)
    objective = IWAE(num_particles=2, gradient=VIMCO())
    agree(gradients(objective, program, x.repeat(30), 300), truth)


@pytest.mark.parametrize("objective", [IWAE, Renyi])
def test_it_agrees_with_the_plain_score_function(objective: type[IWAE | Renyi]) -> None:
    program, x = Switch(), data().repeat(40)
    plain = gradients(objective(num_particles=4, gradient=ScoreFunction()), program, x, 300)
    agree(gradients(objective(num_particles=4, gradient=VIMCO()), program, x, 300), plain)


def test_it_agrees_with_the_path_gradient() -> None:
    program, x = LinearGaussian(0.3), vectors().repeat(30, 1)
    path = gradients(IWAE(num_particles=3), program, x, 200)
    agree(gradients(IWAE(num_particles=3, gradient=VIMCO()), program, x, 200), path)


def test_it_has_less_noise_than_the_plain_score_function() -> None:
    program, x = Switch(), data()
    guide = slice(-2, None)  # slope and offset
    noise = [
        gradients(IWAE(num_particles=5, gradient=g), program, x, 500)[:, guide].var(0).sum()
        for g in (ScoreFunction(), VIMCO())
    ]
    assert noise[1] < 0.5 * noise[0]


def test_it_is_the_choice_for_discrete_draws_under_one_logarithm() -> None:
    program, x = Switch(), data()
    binding = bind(program, x)
    torch.manual_seed(0)
    chosen = gradients(IWAE(num_particles=3), binding, x, 1)
    torch.manual_seed(0)
    named = gradients(IWAE(num_particles=3, gradient=VIMCO()), binding, x, 1)
    assert torch.equal(chosen, named)


@pytest.mark.parametrize("objective", [ELBO(5, VIMCO()), IWAE(1, VIMCO())], ids=repr)
def test_it_is_refused_where_there_is_nothing_to_compare(objective: ELBO | IWAE) -> None:
    with pytest.raises(ObjectiveError, match="VIMCO"):
        objective.check(bind(Switch(), data()))
