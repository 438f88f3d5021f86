"""Laplacian pyramid of GANs: a picture from coarse to fine, a game at each size.

        z0 ──▶ x0 ──▶ x1 ──▶ x        x0 = generator_0(z0), without a density
               z1 ─────┘     ▲        x1 = enlarged(x0) + generator_1(enlarged(x0), z1), likewise x
               z2 ───────────┘        critic_k(enlarged, x_k): what tells true details from drawn

Each game is played on true coarser pictures; drawing goes from the coarsest on.

References:
    Deep Generative Image Models using a Laplacian Pyramid of Adversarial Networks, Emily Denton,
    Soumith Chintala, Arthur Szlam, Rob Fergus, 2015. https://arxiv.org/abs/1506.05751
"""

from __future__ import annotations

from functools import partial, reduce
from operator import add

import pyro
import torch
from pyro.distributions import Normal
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

import dgmppl
from dgmppl.adversarial import R1
from dgmppl.data import load
from dgmppl.models.pix2pix import network
from dgmppl.objectives import Adversarial, Objective
from dgmppl.recipes import Recipe

__all__ = ["LaplacianGAN", "recipes"]


def enlarged(pictures: Tensor) -> Tensor:
    """`[B, s·s] → [B, 2s·2s]`, smooth."""
    side = int(pictures.shape[1] ** 0.5)
    grid = pictures.reshape(-1, 1, side, side)
    return interpolate(grid, scale_factor=2, mode="bilinear", align_corners=False).flatten(1)


class LaplacianGAN(dgmppl.Program):
    """Three sizes of square pictures, each twice as wide as the one before.

    Arguments:
        data_dim: Pixels of the finest.
        z_dim: Size of the noise at each.
        hidden_features: Width of all networks.
    """

    def __init__(self, data_dim: int = 64, z_dim: int = 16, hidden_features: int = 256):
        super().__init__()
        self.z_dim = z_dim
        sizes = (data_dim // 16, data_dim // 4, data_dim)
        seen = (0, *sizes[1:])  # of the coarser picture, enlarged
        self.generators = nn.ModuleList(
            network(z_dim + c, hidden_features, s) for c, s in zip(seen, sizes, strict=True)
        )
        self.judges = nn.ModuleList(
            network(c + s, hidden_features, 1) for c, s in zip(seen, sizes, strict=True)
        )

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """x of shape `[B, data_dim]`."""
        true = [None] * 3 if x is None else pyramid(x)
        with dgmppl.data_plate(x, n):
            drawn = dgmppl.implicit("x0", self._details(0, None).sigmoid(), obs=true[0])
            for k, name in ((1, "x1"), (2, "x")):
                coarse = pyro.deterministic(
                    f"coarse{k}", enlarged(drawn if x is None else true[k - 1])
                )
                finer = coarse + self._details(k, coarse)
                drawn = dgmppl.implicit(name, finer, obs=true[k])
            return drawn

    def _details(self, k: int, coarse: Tensor | None) -> Tensor:
        """What the k-th generator makes of noise and the coarser picture."""
        z = pyro.sample(f"z{k}", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
        details: Tensor = self.generators[k](z if coarse is None else torch.cat([coarse, z], -1))
        return details

    def critic_0(self, x0: Tensor) -> Tensor:
        """Of the coarsest pictures, `[B]`."""
        return self.judges[0](x0).squeeze(-1)

    def critic_1(self, coarse1: Tensor, x1: Tensor) -> Tensor:
        """Of details, beside what they were added to."""
        return self.judges[1](torch.cat([coarse1, x1 - coarse1], -1)).squeeze(-1)

    def critic_2(self, coarse2: Tensor, x: Tensor) -> Tensor:
        """Likewise of the finest."""
        return self.judges[2](torch.cat([coarse2, x - coarse2], -1)).squeeze(-1)


def pyramid(x: Tensor) -> list[Tensor]:
    """Pictures `[B, s·s]` and their means over 2 × 2 and 4 × 4 pixels, the coarsest first."""
    side = int(x.shape[1] ** 0.5)
    grid = x.reshape(-1, 1, side, side)
    return [avg_pool2d(grid, 4).flatten(1), avg_pool2d(grid, 2).flatten(1), x]


def game(k: int, *sites: str) -> Objective:
    """At one size."""
    return Adversarial(sites, regularizer=R1(1.0), critic=f"critic_{k}")


recipes = {
    "laplacian-gan": Recipe(
        program=LaplacianGAN,
        objective=reduce(add, (game(0, "x0"), game(1, "coarse1", "x1"), game(2, "coarse2", "x"))),
        data=partial(load, name="digits"),
        optimizer=partial(torch.optim.Adam, lr=5e-4, betas=(0.5, 0.999)),
        averaging=0.99,
        epochs=150,
        batch_size=64,
        about="digits from coarse to fine, a game at each size",
    ),
}
