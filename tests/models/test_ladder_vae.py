"""The ladder's posterior is its prior times what the data say, layer by layer."""

from __future__ import annotations

import pytest
import torch
from pyro import poutine
from pyro.distributions import Normal
from torch import Tensor
from torch.distributions import kl_divergence

import dgmppl
from dgmppl.models.ladder_vae import LadderVAE, combine, recipes

Z_DIMS = (4, 3, 2)


@pytest.fixture
def program(seed: int) -> LadderVAE:
    return LadderVAE(6, Z_DIMS, 8).eval()


@pytest.fixture
def x(seed: int) -> Tensor:
    return torch.bernoulli(torch.full((5, 6), 0.5))


def test_combining_is_the_normalised_product_of_two_densities() -> None:
    prior = Normal(torch.tensor(-1.0).double(), 0.5)
    evidence = Normal(torch.tensor(2.0).double(), 1.5)
    grid = torch.linspace(-12, 12, 8001).double()
    product = (prior.log_prob(grid) + evidence.log_prob(grid)).exp()
    expected = product / torch.trapezoid(product, grid)
    torch.testing.assert_close(combine(prior, evidence).log_prob(grid).exp(), expected)


def test_evidence_of_infinite_noise_leaves_the_prior(program: LadderVAE, x: Tensor) -> None:
    infinite = torch.tensor(float("inf"))
    silent = [Normal(torch.randn(5, units), infinite) for units in Z_DIMS]
    with dgmppl.data_plate(x), poutine.trace() as posterior:
        program.descend(silent)
    values = {name: posterior.trace.nodes[name]["value"] for name in ("z1", "z2", "z3")}
    with dgmppl.data_plate(x), poutine.trace() as prior, poutine.condition(data=values):
        program.descend()
    for name in values:
        pair = [t.trace.nodes[name]["fn"] for t in (posterior, prior)]
        assert kl_divergence(*(f.expand((5,)) for f in pair)).abs().max() < 1e-6


def test_evidence_without_noise_leaves_no_doubt(program: LadderVAE, x: Tensor) -> None:
    certain = [Normal(torch.randn(5, units), 1e-6) for units in Z_DIMS]
    with dgmppl.data_plate(x), poutine.trace() as posterior:
        program.descend(certain)
    for i, said in enumerate(certain):
        drawn = posterior.trace.nodes[f"z{i + 1}"]["value"]
        torch.testing.assert_close(drawn, said.loc, atol=1e-4, rtol=0)


def test_no_posterior_is_wider_than_its_prior(program: LadderVAE, x: Tensor) -> None:
    (run,) = dgmppl.weights(program, x, num_particles=20).runs
    for name in ("z1", "z2", "z3"):
        prior, posterior = (s[name]["fn"].base_dist.scale for s in (run.model, run.guide))
        assert bool((posterior < prior).all())


def test_model_and_guide_share_the_way_down(program: LadderVAE, x: Tensor) -> None:
    roles = dgmppl.bind(program, x).roles
    down = {name for name, _ in program.named_parameters() if name.startswith("down.")}
    assert down and down <= set(roles["model"]) and down <= set(roles["guide"])
    up = {n for n, _ in program.named_parameters() if n.startswith(("rungs.", "heads."))}
    assert up.isdisjoint(roles["model"]) and up <= set(roles["guide"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_every_layer_is_active(seed: int) -> None:
    recipe = recipes["ladder-vae"]
    torch.manual_seed(seed)
    program = LadderVAE(64, (10, 5), 100)
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
    found = dgmppl.diagnose(program, recipe.data(split="test").draw(), 100, seed=0)
    assert all(number > 0 for number in found.active_units.values())
