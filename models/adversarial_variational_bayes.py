"""Adversarial variational Bayes: a guide that is a network of noise, without a density.

        z ──▶ x          p(z) = N(0, I)            p(x|z)
        ▲     │          z = guide(x, noise)
        └─────┘          critic(x, z): log q(z|x) − log p(z), or what the contrast leaves of it

The guide takes any shape. `Squares` needs it: of z only the squares are seen, with noise, so that
its posterior has four modes, of which a Gaussian guide covers one.

References:
    Adversarial Variational Bayes, Lars Mescheder, Sebastian Nowozin, Andreas Geiger, 2017.
    https://arxiv.org/abs/1701.04722
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pyro
import torch
from pyro.distributions import Normal
from torch import Tensor

import dgmppl
from dgmppl.data import load
from dgmppl.models.vae import GaussianCode, mlp
from dgmppl.objectives import ELBO, AdaptiveContrast, Ratio
from dgmppl.recipes import Recipe

__all__ = ["AdversarialVariationalBayes", "GaussianSquares", "Squares", "recipes"]

NOISE: Any = {"is_auxiliary": True}  # it belongs to the guide alone


class NoisyGuide(dgmppl.Program):
    """A guide that maps a datum and noise to z, and a critic of both.

    Arguments:
        data_dim: Size of a datum.
        z_dim: Size of z.
        noise_dim: Size of the noise.
        hidden_features: Width of all networks.
    """

    def __init__(self, data_dim: int, z_dim: int, noise_dim: int, hidden_features: int):
        super().__init__()
        self.z_dim, self.noise_dim = z_dim, noise_dim
        self.sampler = mlp(data_dim + noise_dim, hidden_features, z_dim)
        self.judge = mlp(data_dim + z_dim, hidden_features, 1)

    def guide(self, x: Tensor) -> Tensor:
        """z = sampler(x, noise)."""
        with dgmppl.data_plate(x):
            noise = Normal(torch.zeros(self.noise_dim), 1.0).to_event(1)
            drawn = pyro.sample("noise", noise, infer=NOISE)
            pair = torch.cat([x.expand(*drawn.shape[:-1], -1), drawn], -1)
            return dgmppl.implicit("z", self.sampler(pair))

    def critic(self, x: Tensor, z: Tensor) -> Tensor:
        """Of pairs, `[B]`."""
        return self.judge(torch.cat([x, z], -1)).squeeze(-1)


class AdversarialVariationalBayes(NoisyGuide):
    """Binary pixels of a Gaussian code.

    Arguments:
        data_dim: Number of pixels.
        z_dim: Size of the code.
        noise_dim: Size of the guide's noise.
        hidden_features: Width of all networks.
    """

    def __init__(
        self,
        data_dim: int = 784,
        z_dim: int = 8,
        noise_dim: int = 16,
        hidden_features: int = 200,
    ):
        super().__init__(data_dim, z_dim, noise_dim, hidden_features)
        self.decoder = mlp(z_dim, hidden_features, data_dim)

    model = GaussianCode.model


class Squares(NoisyGuide):
    """z ~ N(0, I) in the plane and x = z² − 1 + N(0, 0.5²): nothing to learn but the guide."""

    def __init__(self, hidden_features: int = 200):
        super().__init__(2, 2, 8, hidden_features)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """x of shape `[B, 2]`."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
            return pyro.sample("x", Normal(z.square() - 1.0, 0.5).to_event(1), obs=x)


class GaussianSquares(dgmppl.Program):
    """The same model with a Gaussian guide."""

    def __init__(self, hidden_features: int = 200):
        super().__init__()
        self.encoder = mlp(2, hidden_features, 4)

    model = Squares.model

    def guide(self, x: Tensor) -> Tensor:
        """q(z|x)."""
        with dgmppl.data_plate(x):
            loc, log_scale = self.encoder(x).chunk(2, -1)
            return pyro.sample("z", Normal(loc, log_scale.exp()).to_event(1))


ADAM = partial(torch.optim.Adam, betas=(0.5, 0.999))
#: The critic is to be ahead of the guide, whose posterior it measures.
OPTIMIZER = {"model": ADAM, "guide": partial(ADAM, lr=5e-4), "critic": partial(ADAM, lr=2e-3)}
SQUARES = partial(load, name="squares", n=50_000)

recipes = {
    "adversarial-variational-bayes": Recipe(
        program=AdversarialVariationalBayes,
        objective=ELBO(ratio=Ratio("z", given="x", contrast=AdaptiveContrast())),
        optimizer=OPTIMIZER,
        epochs=60,
        about="VAE whose posterior is a network of noise, by a critic's ratio",
    ),
    "squares": Recipe(
        program=Squares,
        objective=ELBO(ratio=Ratio("z", given="x")),
        data=SQUARES,
        optimizer=OPTIMIZER,
        schedule=partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=100),
        epochs=100,
        batch_size=250,
        about="posterior with four modes, by adversarial variational Bayes",
    ),
    "gaussian-squares": Recipe(
        program=GaussianSquares,
        data=SQUARES,
        epochs=40,
        batch_size=250,
        about="the same posterior by a Gaussian guide",
    ),
}
