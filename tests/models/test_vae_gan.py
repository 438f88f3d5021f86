"""A VAE without a density of pixels: what is left out, who moves, and what it learns."""

from __future__ import annotations

import pyro
import pytest
import torch
from pyro.distributions import Normal
from torch import Tensor

import dgmppl
from dgmppl.evaluation import energy_distance
from dgmppl.models.vae_gan import VAEGAN, recipes
from dgmppl.objectives import ELBO, ObjectiveError, Progress


class Near(VAEGAN):
    """The same without the implicit site."""

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            seen = None if x is None else self.features(x).detach()
            drawn = self.features(self.decoder(z).sigmoid())
            pyro.sample("near", Normal(drawn, self.scale).to_event(1), obs=seen)


def test_a_site_to_the_power_0_needs_no_density() -> None:
    x = torch.rand(5, 64)
    values = []
    for kind, objective in ((VAEGAN, ELBO(temper={"x": 0.0})), (Near, ELBO())):
        torch.manual_seed(0)
        program = kind(hidden_features=16)
        binding = dgmppl.bind(program, x)
        objective.check(binding)
        torch.manual_seed(1)
        values.append(objective.value(binding, x, Progress()))
    torch.testing.assert_close(*values)
    with pytest.raises(ObjectiveError, match="density of site 'x'"):
        ELBO().check(dgmppl.bind(VAEGAN(hidden_features=16), x))


def test_the_likelihood_does_not_move_the_critic() -> None:
    torch.manual_seed(0)
    program = VAEGAN(hidden_features=16)
    before = [p.clone() for p in program.critic.parameters()]
    settings = {"epochs": 2, "device": "cpu", "progress": False}
    dgmppl.fit(program, torch.rand(20, 64), ELBO(temper={"x": 0.0}), **settings)
    after = program.critic.parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.slow
def test_it_rebuilds_and_draws() -> None:
    """A plain VAE's draws of grey pixels are means of what is near."""
    recipe = recipes["vae-gan"]
    program = recipe.learn(device="cpu", progress=False).program
    test = recipe.data(split="test").values
    rebuilt = dgmppl.generate(program, x=test, posterior=True, seed=0)["x"]
    assert float((rebuilt - test).square().mean().sqrt()) < 0.15
    drawn = dgmppl.generate(program, len(test), seed=0)["x"]
    assert energy_distance(drawn, test).value < 0.04
