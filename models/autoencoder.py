"""Autoencoder, dense and convolutional: a VAE with one point as posterior and no divergence.

        z ──▶ x          p(x|z) = N(decoder(z), σ²)
        ▲     │          q(z|x) = δ(z − encoder(x))
        └─────┘

The bound at power 0 on z leaves E_q[log p(x|z)] = −‖x − decoder(encoder(x))‖² / 2σ² + constant:
reconstruction alone. Nothing makes the codes follow p(z) = N(0, I), so draws from it are poor: that
is what a VAE adds. The reported value counts log p(z), too; the term "x" is what is learned.

References:
    Reducing the Dimensionality of Data with Neural Networks, Geoffrey Hinton, Ruslan Salakhutdinov,
        2006. https://doi.org/10.1126/science.1127647
    Stacked Convolutional Auto-Encoders for Hierarchical Feature Extraction, Jonathan Masci et al.,
        2011. https://doi.org/10.1007/978-3-642-21735-7_7
"""

from __future__ import annotations

import math
from functools import partial

import pyro
import torch
from pyro.distributions import Delta, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.data import load
from dgmppl.networks import flatten_batch
from dgmppl.objectives import ELBO
from dgmppl.recipes import Recipe

__all__ = ["Autoencoder", "ConvAutoencoder", "DenseAutoencoder", "recipes"]


class Autoencoder(dgmppl.Program):
    """Any pair of networks: the program.

    Arguments:
        encoder: Data to code, `[*batch *event] → [*batch z_dim]`.
        decoder: Code to data, `[*batch z_dim] → [*batch *event]`.
        z_dim: Size of the code.
        event_dim: Number of dimensions of a datum.
        scale: σ of a pixel.
    """

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, z_dim: int, event_dim: int, scale: float
    ):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.z_dim, self.event_dim, self.scale = z_dim, event_dim, scale

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(z) p(x|z)."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            pixels = Normal(self.decoder(z), self.scale).to_event(self.event_dim)
            return pyro.sample("x", pixels, obs=x)

    def guide(self, x: Tensor) -> Tensor:
        """The code of x, and no other."""
        with dgmppl.data_plate(x):
            return pyro.sample("z", Delta(self.encoder(x), event_dim=1))


class DenseAutoencoder(Autoencoder):
    """One hidden layer each way, on flat data `[B, data_dim]`."""

    def __init__(
        self, data_dim: int = 784, z_dim: int = 16, hidden_features: int = 200, scale: float = 0.1
    ):
        encoder = [
            nn.Linear(data_dim, hidden_features),
            nn.ReLU(),
            nn.Linear(hidden_features, z_dim),
        ]
        decoder = [
            nn.Linear(z_dim, hidden_features),
            nn.ReLU(),
            nn.Linear(hidden_features, data_dim),
        ]
        super().__init__(nn.Sequential(*encoder), nn.Sequential(*decoder), z_dim, 1, scale)


class ConvAutoencoder(Autoencoder):
    """Two convolutions halve pictures `[B, 1, height, width]`, two transposed ones double them.

    Height and width must be divisible by four. The inner layers have twice as many channels.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        z_dim: int = 16,
        channels: int = 16,
        scale: float = 0.1,
    ):
        inner = (2 * channels, image_shape[1] // 4, image_shape[2] // 4)
        encoder = nn.Sequential(
            nn.Conv2d(1, channels, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(math.prod(inner), z_dim),
        )
        decoder = nn.Sequential(
            nn.Linear(z_dim, math.prod(inner)),
            nn.ReLU(),
            nn.Unflatten(1, inner),
            nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, 1, 4, stride=2, padding=1),
        )
        super().__init__(flatten_batch(encoder, 3), flatten_batch(decoder, 1), z_dim, 3, scale)


RECONSTRUCTION = ELBO(temper={"z": 0.0})

recipes = {
    "autoencoder": Recipe(
        program=DenseAutoencoder,
        objective=RECONSTRUCTION,
        data=partial(load, name="digits"),
        epochs=100,
        about="autoencoder on grey digits",
    ),
    "conv-autoencoder": Recipe(
        program=ConvAutoencoder,
        objective=RECONSTRUCTION,
        data=partial(load, name="digits", flatten=False),
        epochs=100,
        about="convolutional autoencoder on grey digits",
    ),
}
