"""The Rényi bound: between its known ends, below log p(x), with gradients that agree."""

from __future__ import annotations

import pytest
import torch
from linear_gaussian import LinearGaussian, data
from statistics_of import agree, gradients, values

from dgmppl.binding import bind
from dgmppl.objectives import IWAE, DoublyReparameterized, Progress, Renyi


def test_order_zero_is_the_importance_weighted_bound() -> None:
    binding, x = bind(LinearGaussian(0.5), data()), data()
    results = []
    for objective in (Renyi(num_particles=4, alpha=0.0), IWAE(num_particles=4)):
        torch.manual_seed(0)
        results.append(objective.value(binding, x, Progress()))
    assert torch.allclose(*results)


def test_it_falls_from_the_importance_weighted_bound_to_the_elbo() -> None:
    program, x = LinearGaussian(0.5), data().repeat(200, 1)
    orders = (0.0, 0.5, 0.999)
    means = [values(Renyi(num_particles=20, alpha=a), program, x, 50).mean() for a in orders]
    exact = program.log_evidence(x).mean()
    assert exact > means[0] > means[1] > means[2]


def test_the_exact_posterior_gives_the_evidence_at_every_order() -> None:
    program, x = LinearGaussian(), data()
    for alpha in (-1.0, 0.3, 2.0):
        drawn = values(Renyi(num_particles=3, alpha=alpha), program, x, 5)
        assert torch.allclose(drawn, program.log_evidence(x).mean().expand(5), atol=1e-10)


@pytest.mark.parametrize("alpha", [-0.5, 0.5, 1.5])
def test_double_reparameterisation_agrees_with_the_path_gradient(alpha: float) -> None:
    program, x = LinearGaussian(0.3), data().repeat(50, 1)
    path = gradients(Renyi(num_particles=4, alpha=alpha), program, x, 200)
    double = Renyi(num_particles=4, alpha=alpha, gradient=DoublyReparameterized())
    agree(gradients(double, program, x, 200), path)


def test_order_one_is_sent_to_the_elbo() -> None:
    with pytest.raises(ValueError, match="ELBO"):
        Renyi(alpha=1.0)
