"""Coupled GAN: pairs of pictures, learned from single ones by sharing what is alike.

        z ──▶ h ──▶ a    p(z) = N(0, I), h = shared(z), a = into_a(h), b = into_b(h)
              └───▶ b    critic_a(a), critic_b(b): their first layers apart, the last ones shared

No pair is ever seen: each critic knows one kind of picture. That a and b of one z agree comes from
the layers that make and judge both.

References:
    Coupled Generative Adversarial Networks, Ming-Yu Liu and Oncel Tuzel, 2016.
    https://arxiv.org/abs/1606.07536
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pyro
import torch
from pyro.distributions import Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.adversarial import R1
from dgmppl.data import renderings
from dgmppl.objectives import Adversarial
from dgmppl.recipes import Recipe

__all__ = ["CoupledGAN", "recipes"]


def last(features: int) -> nn.Sequential:
    """Features into one kind of picture, `[B, features, H, W] → [B, H·W]`."""
    return nn.Sequential(nn.Conv2d(features, 1, 3, padding=1), nn.Sigmoid(), nn.Flatten(1))


def first(image_shape: tuple[int, ...], features: int) -> nn.Sequential:
    """One kind of picture into features of half its size."""
    return nn.Sequential(
        nn.Unflatten(1, image_shape), nn.Conv2d(1, features, 4, 2, 1), nn.LeakyReLU(0.2)
    )


class CoupledGAN(dgmppl.Program):
    """Two generators that differ in their last layer, two critics that differ in their first.

    Those layers are convolutions: they see what lies near, so that a and b of one z agree in where
    things are.

    Arguments:
        image_shape: One channel, height, width: pictures come as rows of pixels.
        z_dim: Size of the noise.
        features: Channels of the pictures inside.
    """

    def __init__(
        self, image_shape: tuple[int, ...] = (1, 8, 8), z_dim: int = 16, features: int = 32
    ):
        super().__init__()
        self.z_dim = z_dim
        _, height, width = image_shape
        small = (2 * features, height // 4, width // 4)
        self.shared = nn.Sequential(
            nn.Linear(z_dim, small[0] * small[1] * small[2], bias=False),
            nn.Unflatten(1, small),
            nn.BatchNorm2d(small[0]),
            nn.ReLU(),
            nn.ConvTranspose2d(small[0], small[0], 4, 2, 1, bias=False),
            nn.BatchNorm2d(small[0]),
            nn.ReLU(),
            nn.ConvTranspose2d(small[0], features, 4, 2, 1, bias=False),
            nn.BatchNorm2d(features),
            nn.ReLU(),
        )
        self.into_a, self.into_b = (last(features) for _ in "ab")
        self.look_a, self.look_b = (first(image_shape, features) for _ in "ab")
        self.judge = nn.Sequential(
            nn.Conv2d(features, 2 * features, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Flatten(1),
            nn.Linear(small[0] * small[1] * small[2], 1),
            nn.Flatten(0),
        )

    def model(self, x: Any = None, n: int = 1) -> dict[str, Tensor]:
        """a and b of one z, of shape `[B, pixels]` each."""
        given = {"a": None, "b": None} if x is None else x
        with dgmppl.data_plate(given["a"], n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            h = self.shared(z)
            return {
                "a": dgmppl.implicit("a", self.into_a(h), obs=given["a"]),
                "b": dgmppl.implicit("b", self.into_b(h), obs=given["b"]),
            }

    def critic_a(self, a: Tensor) -> Tensor:
        """Of the first kind of picture, `[B]`."""
        return self.judge(self.look_a(a))

    def critic_b(self, b: Tensor) -> Tensor:
        """Of the second kind."""
        return self.judge(self.look_b(b))


recipes = {
    "coupled-gan": Recipe(
        program=CoupledGAN,
        objective=Adversarial("a", regularizer=R1(1.0), critic="critic_a")
        + Adversarial("b", regularizer=R1(1.0), critic="critic_b"),
        data=partial(renderings, paired=False),
        optimizer=partial(torch.optim.Adam, lr=5e-4, betas=(0.5, 0.999)),
        averaging=0.99,
        epochs=60,
        batch_size=64,
        about="digits and their outlines together, learned apart",
    ),
}
