"""VAE whose prior is the guide itself, mixed over learned pseudo-data (VampPrior).

    one level      z ──▶ x           p(z) = 1/K Σ_k q(z|u_k)
                   ▲     │           p(x|z) = Bernoulli(decoder(z))
                   └─────┘           q(z|x) = N(μ(x), σ²(x))

    two levels     z2 ──▶ z1         p(z_2) = 1/K Σ_k q(z_2|u_k)        p(z_1|z_2) normal
                    └──▶ x ◀──┘      p(x|z_1, z_2) = Bernoulli(decoder(z_1, z_2))
                                     q(z_2|x) q(z_1|x, z_2), both normal

The prior that maximises the evidence lower bound for a given guide is the aggregate posterior
1/N Σ_n q(z|x_n). Here K pseudo-inputs u_k with pixels in (0, 1), learned with all else, stand for
the N data. A prior that follows the guide would also follow it into a code that says nothing, so
learning starts with a warm-up: the power of the latent sites rises from 0 to 1.

References:
    VAE with a VampPrior, Jakub Tomczak and Max Welling, 2018. https://arxiv.org/abs/1705.07120
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pyro
import torch
from pyro.distributions import (
    Bernoulli,
    Categorical,
    MixtureSameFamily,
    Normal,
    TorchDistribution,
)
from torch import Tensor, nn

import dgmppl
from dgmppl.objectives import ELBO
from dgmppl.recipes import Recipe
from dgmppl.schedules import Linear

__all__ = ["HierarchicalVampPriorVAE", "VampPriorVAE", "recipes"]


def mlp(in_features: int, hidden_features: int, out_features: int) -> nn.Sequential:
    """Two hidden layers of leaky rectifiers, `[*batch in] → [*batch out]`."""
    return nn.Sequential(
        nn.Linear(in_features, hidden_features),
        nn.LeakyReLU(),
        nn.Linear(hidden_features, hidden_features),
        nn.LeakyReLU(),
        nn.Linear(hidden_features, out_features),
    )


def gaussian(parameters: Tensor) -> TorchDistribution:
    """A normal of independent units from means and log-scales, `[*batch 2·units]`."""
    loc, log_scale = parameters.chunk(2, -1)
    return Normal(loc, log_scale.exp()).to_event(1)


class VampPriorVAE(dgmppl.Program):
    """A Gaussian code with a learned mixture as its prior, under a Bernoulli likelihood.

    Arguments:
        data_dim: Number of pixels.
        z_dim: Size of the code.
        hidden_features: Width of every network.
        num_components: K, how many pseudo-inputs.
    """

    def __init__(
        self,
        data_dim: int = 784,
        z_dim: int = 50,
        hidden_features: int = 200,
        num_components: int = 50,
    ):
        super().__init__()
        self.encoder = mlp(data_dim, hidden_features, 2 * z_dim)
        self.decoder = mlp(z_dim, hidden_features, data_dim)
        self.pseudo_logits = nn.Parameter(torch.randn(num_components, data_dim))

    def prior(self) -> TorchDistribution:
        """The guide's mixture over pseudo-inputs, each as probable as the others."""
        components = gaussian(self.encoder(self.pseudo_logits.sigmoid()))
        return MixtureSameFamily(
            Categorical(logits=torch.zeros(components.batch_shape)), components
        )

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(z) p(x|z), x of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", self.prior())
            return pyro.sample("x", Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        """q(z|x)."""
        with dgmppl.data_plate(x):
            pyro.sample("z", gaussian(self.encoder(x)))


class HierarchicalVampPriorVAE(VampPriorVAE):
    """Two codes, the upper one with the mixture as its prior; arguments as above, z_dim of both."""

    def __init__(
        self,
        data_dim: int = 784,
        z_dim: int = 25,
        hidden_features: int = 200,
        num_components: int = 50,
    ):
        super().__init__(data_dim, z_dim, hidden_features, num_components)
        self.decoder = mlp(2 * z_dim, hidden_features, data_dim)
        self.lower_prior = mlp(z_dim, hidden_features, 2 * z_dim)
        self.lower_encoder = mlp(data_dim + z_dim, hidden_features, 2 * z_dim)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(z_2) p(z_1|z_2) p(x|z_1, z_2), x of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            z2 = pyro.sample("z2", self.prior())
            z1 = pyro.sample("z1", gaussian(self.lower_prior(z2)))
            logits = self.decoder(torch.cat([z1, z2], -1))
            return pyro.sample("x", Bernoulli(logits=logits).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        """q(z_2|x) q(z_1|x, z_2)."""
        with dgmppl.data_plate(x):
            z2 = pyro.sample("z2", gaussian(self.encoder(x)))
            both = torch.cat([x.expand(*z2.shape[:-1], -1), z2], -1)
            pyro.sample("z1", gaussian(self.lower_encoder(both)))


WARMED_UP = Recipe(
    program=VampPriorVAE,
    objective=ELBO(temper=Linear(0.0, 1.0, epochs=50)),
    optimizer=partial(torch.optim.Adam, lr=3e-3),
    epochs=100,
)

recipes = {
    "vamp": replace(WARMED_UP, about="VAE with a prior learned as a mixture over pseudo-inputs"),
    "vamp-2": replace(
        WARMED_UP,
        program=HierarchicalVampPriorVAE,
        about="VampPrior on the upper of two stochastic layers",
    ),
}
