"""Deep convolutional GAN: pictures from noise by transposed convolutions.

        z ──▶ x          p(z) = N(0, I)            x = generator(z), without a density
                         critic(x): what tells pictures from draws

References:
    Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks,
    Alec Radford, Luke Metz, Soumith Chintala, 2015. https://arxiv.org/abs/1511.06434
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pyro
import torch
from pyro.distributions import Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.adversarial import GradientPenalty, Wasserstein, WeightClipping
from dgmppl.data import load
from dgmppl.objectives import Adversarial
from dgmppl.recipes import Recipe

__all__ = ["DCGAN", "convolutions", "recipes", "transposed_convolutions"]


def transposed_convolutions(
    inputs: int, image_shape: tuple[int, int, int], features: int
) -> nn.Sequential:
    """`[B, inputs] → [B, *image_shape]`, values in (0, 1), each side twice doubled."""
    channels, height, width = image_shape
    first = (2 * features, height // 4, width // 4)
    return nn.Sequential(
        nn.Linear(inputs, first[0] * first[1] * first[2], bias=False),
        nn.Unflatten(1, first),
        nn.BatchNorm2d(2 * features),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * features, features, 4, 2, 1, bias=False),
        nn.BatchNorm2d(features),
        nn.ReLU(),
        nn.ConvTranspose2d(features, channels, 4, 2, 1),
        nn.Sigmoid(),
    )


def convolutions(image_shape: tuple[int, int, int], features: int, outputs: int) -> nn.Sequential:
    """`[B, *image_shape] → [B, outputs]`, each side twice halved."""
    channels, height, width = image_shape
    return nn.Sequential(
        nn.Conv2d(channels, features, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(features, 2 * features, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(1),
        nn.Linear(2 * features * (height // 4) * (width // 4), outputs),
    )


class DCGAN(dgmppl.Program):
    """Noise, transposed convolutions, and a critic of convolutions.

    Arguments:
        image_shape: Channels, height and width, the last two multiples of four.
        z_dim: Size of the noise.
        features: Channels of the wider pictures inside; the smaller ones have twice as many.
        packing: How many pictures the critic sees at once.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        z_dim: int = 64,
        features: int = 32,
        packing: int = 1,
    ):
        super().__init__()
        channels, *sides = image_shape
        self.z_dim = z_dim
        self.generator = transposed_convolutions(z_dim, image_shape, features)
        packed = (packing * channels, *sides)
        self.critic = nn.Sequential(convolutions(packed, features, 1), nn.Flatten(0))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """x = generator(z), of shape `[B, *image_shape]`."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            return dgmppl.implicit("x", self.generator(z), event_dim=3, obs=x)


def dcgan(about: str, program: Any = DCGAN, **settings: Any) -> Recipe:
    """The program on handwritten digits, by some game."""
    return Recipe(
        program=program,
        objective=Adversarial("x", **settings),
        data=partial(load, name="digits", flatten=False),
        optimizer=partial(torch.optim.Adam, lr=5e-4, betas=(0.5, 0.999)),
        averaging=0.999,
        epochs=100,
        batch_size=64,
        about=about,
    )


recipes = {
    "dcgan": dcgan("convolutional GAN"),
    "dcgan-wgan": dcgan(
        "convolutional Wasserstein GAN with clipped weights",
        divergence=Wasserstein(),
        regularizer=WeightClipping(0.01),
        critic_steps=5,
    ),
    "dcgan-wgan-gp": dcgan(
        "convolutional Wasserstein GAN with a gradient penalty",
        divergence=Wasserstein(),
        regularizer=GradientPenalty(10.0),
        critic_steps=5,
    ),
    "dcgan-pac": dcgan(
        "convolutional GAN whose critic sees two pictures at once",
        partial(DCGAN, packing=2),
        packing=2,
    ),
}
