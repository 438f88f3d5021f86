"""Bounds are below log p(x), tighten with K, and are exact where the guide is the posterior."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from enumerable import Switch
from enumerable import data as few_numbers
from linear_gaussian import LinearGaussian, data
from statistics_of import agree, mean_and_error, values

from dgmppl.binding import bind
from dgmppl.objectives import ELBO, IWAE, DoublyReparameterized, Progress, ScoreFunction
from dgmppl.weights import weights


def test_bounds_rise_to_the_evidence() -> None:
    """ELBO < IWAE_5 < IWAE_50 < log p(x), each by more than four standard errors."""
    program, x = LinearGaussian(1.0), data().repeat(50, 1)
    truth = program.log_evidence(x).mean()
    steps = [mean_and_error(values(IWAE(num_particles=k), program, x, 60)) for k in (1, 5, 50)]
    for (low, low_error), (high, high_error) in pairwise(steps):
        assert high - low > 4 * (low_error**2 + high_error**2).sqrt()
    last, error = steps[-1]
    assert truth > last - 4 * error
    assert truth - last < 0.1 * (truth - steps[0][0])


@pytest.mark.parametrize("objective", [ELBO(), ELBO(analytic_kl=False), ELBO(num_particles=3)])
def test_the_elbo_is_the_closed_form(objective: ELBO) -> None:
    program, x = LinearGaussian(1.0), data()
    agree(values(objective, program, x, 2000), program.elbo(x).mean().detach())


def test_one_particle_is_the_elbo() -> None:
    program, x = LinearGaussian(1.0), data()
    agree(values(IWAE(num_particles=1), program, x, 2000), program.elbo(x).mean().detach())


@pytest.mark.parametrize("num_particles", [1, 7])
def test_the_exact_posterior_gives_the_evidence_at_every_draw(num_particles: int) -> None:
    program, x = LinearGaussian(), data()
    truth = program.log_evidence(x).mean()
    for objective in (IWAE(num_particles), ELBO(num_particles, analytic_kl=False)):
        drawn = values(objective, program, x, 5)
        assert torch.allclose(drawn, truth.expand(5), rtol=1e-10)


def test_two_particles_against_enumeration() -> None:
    program, x = Switch(), few_numbers()
    agree(values(IWAE(num_particles=2), program, x, 2000), program.importance_bound(x).mean())


@pytest.mark.parametrize("objective", [ELBO(), ELBO(analytic_kl=False), IWAE(num_particles=1)])
def test_the_terms_add_up(objective: ELBO | IWAE) -> None:
    """The bound is what observed sites give less what latent ones cost."""
    program, x = LinearGaussian(1.0), data()
    loss = objective.phases(bind(program, x))[0].loss(bind(program, x), x, Progress())
    assert set(loss.terms) == {"x", "kl_z"}
    assert torch.allclose(loss.terms["x"] - loss.terms["kl_z"], loss.value)


@pytest.mark.parametrize("objective", [ELBO(3), IWAE(3)])
def test_shares_are_the_derivative_of_the_reduction(objective: ELBO | IWAE) -> None:
    log_w = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(objective.reduce(log_w).sum(), log_w)
    assert torch.allclose(objective.shares(log_w), slope)


def test_values_do_not_depend_on_the_gradient() -> None:
    """The reported number is the bound, whatever the estimator's surrogate is."""
    program, x = LinearGaussian(1.0), data()
    binding, results = bind(program, x), []
    for gradient in (None, DoublyReparameterized(), ScoreFunction()):
        torch.manual_seed(4)
        loss = IWAE(5, gradient=gradient).phases(binding)[0].loss(binding, x, Progress())
        torch.manual_seed(4)
        local, _ = weights(binding, x, 5).ratio()
        assert torch.allclose(loss.value, IWAE(5).reduce(local).mean())
        results.append(loss.value)
    assert torch.allclose(results[0], results[1]) and torch.allclose(results[0], results[2])


def test_no_particles_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        ELBO(num_particles=0)
