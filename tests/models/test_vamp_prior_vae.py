"""The VampPrior is the guide's own mixture, and it is worth more than a standard normal."""

from __future__ import annotations

import math

import pyro.distributions as dist
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

import dgmppl
from dgmppl.models.vamp_prior_vae import (
    HierarchicalVampPriorVAE,
    VampPriorVAE,
    recipes,
)

KINDS = pytest.mark.parametrize(
    ("kind", "site"), [(VampPriorVAE, "z"), (HierarchicalVampPriorVAE, "z2")]
)


@KINDS
def test_the_prior_is_the_mean_of_guide_densities_at_the_pseudo_inputs(
    kind: type[VampPriorVAE], site: str
) -> None:
    program, x = kind(6, 3, 8, num_components=7), torch.ones(5, 6)
    tables = dgmppl.weights(program, x, num_particles=4)
    z = tables.runs[0].guide[site]["value"]
    pseudo_inputs = torch.sigmoid(program.pseudo_logits)
    loc, log_scale = program.encoder(pseudo_inputs).split(3, -1)
    each = Normal(loc, log_scale.exp()).log_prob(z[..., None, :]).sum(-1)
    torch.testing.assert_close(tables.log_p[site], each.logsumexp(-1) - math.log(7))


@KINDS
def test_if_the_pseudo_inputs_are_the_data_the_prior_is_the_aggregate_posterior(
    kind: type[VampPriorVAE], site: str
) -> None:
    """With one datum that is its own pseudo-input, the upper code costs nothing."""
    program, x = kind(6, 3, 8, num_components=1), torch.bernoulli(torch.full((1, 6), 0.5))
    with torch.no_grad():
        program.pseudo_logits.copy_(200 * (x - 0.5))
    tables = dgmppl.weights(program, x, num_particles=10)
    torch.testing.assert_close(tables.log_p[site], tables.log_q[site])


def test_it_draws_from_its_components() -> None:
    program = VampPriorVAE(6, 1, 8, num_components=5)
    components = program.prior().component_distribution
    mean = components.mean.mean().item()
    variance = (components.variance + components.mean.square()).mean().item() - mean**2
    drawn = dgmppl.generate(program, 20_000)["z"]
    assert drawn.mean().item() == pytest.approx(mean, abs=4 * (variance / 20_000) ** 0.5)
    assert drawn.var().item() == pytest.approx(variance, rel=0.06)


class StandardPrior(VampPriorVAE):
    """The same networks with N(0, I) as prior."""

    def prior(self) -> dist.Distribution:
        return dist.Normal(torch.zeros(10), 1.0).to_event(1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_learned_prior_is_worth_more_than_a_standard_normal(seed: int) -> None:
    """ELBO of held-out digits after equal epochs of the same objective."""
    assert bound_of(VampPriorVAE, 10, seed).mean() > bound_of(StandardPrior, 10, seed).mean()


def bound_of(kind: type[VampPriorVAE], z_dim: int, seed: int) -> Tensor:
    """The ELBO a held-out digit after the recipe's learning."""
    recipe = recipes["vamp"]
    torch.manual_seed(seed)
    program = kind(64, z_dim, 100)
    dgmppl.fit(
        program,
        recipe.data(split="train"),
        recipe.objective,
        optimizer=recipe.optimizer,
        epochs=recipe.epochs,
        seed=seed,
        device="cpu",
        progress=False,
    )
    torch.manual_seed(0)
    return dgmppl.diagnose(program, recipe.data(split="test").draw(), 100, seed=0).elbo
