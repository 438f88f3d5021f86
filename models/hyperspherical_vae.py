"""Hyperspherical variational autoencoder: a code on the unit sphere, where all is equally likely.

        z ──▶ x          p(z) = Uniform(S^(d−1))          p(x|z) = Bernoulli(decoder(z))
        ▲     │          q(z|x) = vonMisesFisher(μ(x), κ(x))
        └─────┘

KL(q‖p) depends on κ alone and has a closed form, so nothing pulls the mean directions together.

References:
    Hyperspherical Variational Auto-Encoders, Tim Davidson et al., 2018.
    https://arxiv.org/abs/1804.00891
"""

from __future__ import annotations

import pyro
from pyro.distributions import Bernoulli
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

import dgmppl
from dgmppl.distributions import HypersphericalUniform, VonMisesFisher
from dgmppl.objectives import ELBO
from dgmppl.recipes import Recipe

__all__ = ["HypersphericalVAE", "recipes"]


def mlp(in_features: int, hidden_features: int, out_features: int) -> nn.Sequential:
    """Two hidden layers of tanh units, `[*batch in] → [*batch out]`."""
    return nn.Sequential(
        nn.Linear(in_features, hidden_features),
        nn.Tanh(),
        nn.Linear(hidden_features, hidden_features),
        nn.Tanh(),
        nn.Linear(hidden_features, out_features),
    )


class HypersphericalVAE(dgmppl.Program):
    """A code on the sphere under a Bernoulli likelihood.

    Arguments:
        data_dim: Number of pixels.
        z_dim: d, the dimension of the space around the sphere; the code has d − 1 degrees of
            freedom.
        hidden_features: Width of both networks.
    """

    def __init__(self, data_dim: int = 784, z_dim: int = 10, hidden_features: int = 200):
        super().__init__()
        self.z_dim = z_dim
        self.encoder = mlp(data_dim, hidden_features, z_dim + 1)
        self.decoder = mlp(z_dim, hidden_features, data_dim)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(z) p(x|z), x of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", HypersphericalUniform(self.z_dim))
            return pyro.sample("x", Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        """q(z|x), with κ > 1: below that the direction hardly matters."""
        with dgmppl.data_plate(x):
            direction, width = self.encoder(x).tensor_split([self.z_dim], -1)
            loc, concentration = normalize(direction, dim=-1), 1 + softplus(width.squeeze(-1))
            return pyro.sample("z", VonMisesFisher(loc, concentration))


recipes = {
    "hyperspherical-vae": Recipe(
        program=HypersphericalVAE,
        objective=ELBO(),
        about="VAE with a von Mises–Fisher code on a sphere in 10 dimensions",
    ),
}
