"""Generative adversarial network: one program, and many objectives for it.

        z ──▶ x          p(z) = N(0, I)            x = generator(z), without a density
                         critic(x): what tells data from draws

A recipe exchanges the divergence or what keeps the critic smooth: minimax, least squares, hinge,
f-divergences, Wasserstein, and against the loss of modes unrolled steps, packing and zero-centred
penalties. The networks are PacGAN's for the ring and the grid, a third as wide: its own have 400
and 200 units.

References:
    Generative Adversarial Networks, Ian Goodfellow et al., 2014. https://arxiv.org/abs/1406.2661
    Wasserstein GAN, Martin Arjovsky, Soumith Chintala, Léon Bottou, 2017.
    https://arxiv.org/abs/1701.07875 PacGAN: The Power of Two Samples in Generative Adversarial
    Networks, Zinan Lin et al., 2017. https://arxiv.org/abs/1712.04086
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pyro
import torch
from pyro.distributions import Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.adversarial import (
    R1,
    GradientPenalty,
    Hinge,
    JensenShannon,
    KullbackLeibler,
    LeastSquares,
    MaximumLikelihoodGame,
    SpectralNorm,
    Wasserstein,
    WeightClipping,
)
from dgmppl.data import load
from dgmppl.objectives import Adversarial
from dgmppl.recipes import Recipe

__all__ = ["GAN", "recipes"]


class Maxout(nn.Module):
    """The largest of several linear maps, `[*batch in] → [*batch out]`."""

    def __init__(self, in_features: int, out_features: int, pieces: int = 5):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features * pieces)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        """The largest."""
        return self.linear(x).unflatten(-1, (self.pieces, -1)).amax(-2)


class GAN(dgmppl.Program):
    """Noise, a network, and a critic.

    Arguments:
        data_dim: Size of a datum.
        z_dim: Size of the noise.
        generator_features: Width of the generator's two hidden layers.
        critic_features: Width of the critic's three hidden layers.
        packing: How many data the critic sees at once.
    """

    def __init__(
        self,
        data_dim: int = 2,
        z_dim: int = 2,
        generator_features: int = 128,
        critic_features: int = 64,
        packing: int = 1,
    ):
        super().__init__()
        self.z_dim = z_dim
        self.generator = nn.Sequential(
            nn.Linear(z_dim, generator_features),
            nn.BatchNorm1d(generator_features),
            nn.ReLU(),
            nn.Linear(generator_features, generator_features),
            nn.BatchNorm1d(generator_features),
            nn.ReLU(),
            nn.Linear(generator_features, data_dim),
        )
        self.critic = nn.Sequential(
            Maxout(packing * data_dim, critic_features),
            Maxout(critic_features, critic_features),
            Maxout(critic_features, critic_features),
            nn.Linear(critic_features, 1),
            nn.Flatten(0),
        )

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """x = generator(z), of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            return dgmppl.implicit("x", self.generator(z), obs=x)


ADAM = partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.999))
EPOCHS = 50


def gan(about: str, program: Any = GAN, **settings: Any) -> Recipe:
    """The program on eight Gaussians in a ring, by some game."""
    return Recipe(
        program=program,
        objective=Adversarial("x", **settings),
        data=partial(load, name="ring", n=20_000),
        optimizer=ADAM,
        schedule=partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=EPOCHS),
        epochs=EPOCHS,
        batch_size=100,
        about=about,
    )


recipes = {
    "gan": gan("GAN with the non-saturating loss"),
    "minimax": gan("GAN by the minimax game", divergence=JensenShannon()),
    "ml-game": gan("GAN by the maximum-likelihood game", divergence=MaximumLikelihoodGame()),
    "lsgan": gan("GAN by least squares", divergence=LeastSquares()),
    "hinge": gan("GAN by the hinge loss", divergence=Hinge()),
    "f-gan": gan("f-GAN by the Kullback–Leibler divergence", divergence=KullbackLeibler()),
    "wgan": gan(
        "Wasserstein GAN with clipped weights",
        divergence=Wasserstein(),
        regularizer=WeightClipping(0.01),
        critic_steps=5,
    ),
    "wgan-gp": gan(
        "Wasserstein GAN with a gradient penalty",
        divergence=Wasserstein(),
        regularizer=GradientPenalty(1.0),
    ),
    "sn-gan": gan("GAN whose critic has spectrally normed weights", regularizer=SpectralNorm()),
    "r1-gan": gan("GAN with a zero-centred penalty at the data", regularizer=R1(1.0)),
    "unrolled": gan(
        "GAN that thinks five steps of its critic ahead", unrolled=5, unrolled_rate=1e-5
    ),
    "pacgan": gan("GAN whose critic sees four draws at once", partial(GAN, packing=4), packing=4),
}
