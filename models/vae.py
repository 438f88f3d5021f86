"""Variational autoencoder, its β and importance-weighted relatives.

        z ──▶ x          p(z) = N(0, I)            p(x|z) = Bernoulli(decoder(z))
        ▲     │          q(z|x) = N(μ(x), σ²(x))
        └─────┘

The same program serves every recipe: only the objective changes.

References:
    Auto-Encoding Variational Bayes, Diederik Kingma and Max Welling, 2013.
    https://arxiv.org/abs/1312.6114 Importance Weighted Autoencoders, Yuri Burda et al., 2015.
    https://arxiv.org/abs/1509.00519 β-VAE, Irina Higgins et al., 2017.
    https://openreview.net/forum?id=Sy2fzU9gl
"""

from __future__ import annotations

import pyro
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.objectives import ELBO, IWAE, DoublyReparameterized, StickingTheLanding
from dgmppl.recipes import Recipe

__all__ = ["VAE", "recipes"]


def mlp(in_features: int, hidden_features: int, out_features: int) -> nn.Sequential:
    """Two hidden layers of tanh units, `[*batch in] → [*batch out]`."""
    return nn.Sequential(
        nn.Linear(in_features, hidden_features),
        nn.Tanh(),
        nn.Linear(hidden_features, hidden_features),
        nn.Tanh(),
        nn.Linear(hidden_features, out_features),
    )


class VAE(dgmppl.Program):
    """A Gaussian code under a Bernoulli likelihood.

    Arguments:
        data_dim: Number of pixels.
        z_dim: Size of the code.
        hidden_features: Width of both networks.
    """

    def __init__(self, data_dim: int = 784, z_dim: int = 50, hidden_features: int = 200):
        super().__init__()
        self.z_dim = z_dim
        self.encoder = mlp(data_dim, hidden_features, 2 * z_dim)
        self.decoder = mlp(z_dim, hidden_features, data_dim)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(z) p(x|z), x of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            return pyro.sample("x", Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        """q(z|x)."""
        with dgmppl.data_plate(x):
            loc, log_scale = self.encoder(x).chunk(2, -1)
            return pyro.sample("z", Normal(loc, log_scale.exp()).to_event(1))


recipes = {
    "vae": Recipe(program=VAE, objective=ELBO(), about="VAE by the evidence lower bound"),
    "beta-vae": Recipe(program=VAE, objective=ELBO(temper={"z": 4.0}), about="β-VAE, β = 4"),
    "iwae": Recipe(
        program=VAE, objective=IWAE(num_particles=5), about="importance-weighted bound, K = 5"
    ),
    "dreg": Recipe(
        program=VAE,
        objective=IWAE(num_particles=5, gradient=DoublyReparameterized()),
        about="IWAE with doubly reparameterised gradients, K = 5",
    ),
    "stl": Recipe(
        program=VAE,
        objective=ELBO(gradient=StickingTheLanding()),
        about="VAE with path derivatives only",
    ),
}
