"""CycleGAN: two kinds of pictures are translated into each other without a single pair.

        a ──▶ b'         b' = into_b(a),  a' = into_a(b),  both without a density
        a' ◀── b         critic_a(a), critic_b(b): what tells pictures from translations
        back again:      Laplace(into_a(b'), scale) at a,  Laplace(into_b(a'), scale) at b

Each critic sees one kind of picture; that a translation keeps what it translates is asked by the
way back.

References:
    Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, Jun-Yan Zhu,
    Taesung Park, Phillip Isola, Alexei Efros, 2017. https://arxiv.org/abs/1703.10593
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pyro
import torch
from pyro.distributions import Laplace
from torch import Tensor, nn

import dgmppl
from dgmppl.adversarial import R1, LeastSquares
from dgmppl.data import renderings
from dgmppl.objectives import Adversarial, ExpectedLikelihood
from dgmppl.recipes import Recipe

__all__ = ["CycleGAN", "recipes"]


def convolutions(image_shape: tuple[int, ...], features: int) -> nn.Sequential:
    """Pictures into pictures of the same size: what lies near decides, `[B, D] → [B, D]`."""
    return nn.Sequential(
        nn.Unflatten(1, image_shape),
        nn.Conv2d(1, features, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(features, features, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(features, 1, 3, padding=1),
        nn.Sigmoid(),
        nn.Flatten(1),
    )


def critic(image_shape: tuple[int, ...], features: int) -> nn.Sequential:
    """Of one kind of picture, `[B, D] → [B]`."""
    _, height, width = image_shape
    return nn.Sequential(
        nn.Unflatten(1, image_shape),
        nn.Conv2d(1, features, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(features, features, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Flatten(1),
        nn.Linear(features * (height // 2) * (width // 2), 1),
        nn.Flatten(0),
    )


class CycleGAN(dgmppl.Program):
    """Two translators and two critics.

    Without data, the pictures are those of the last batch that it learned from: p(a) and p(b) have
    no model.

    Arguments:
        image_shape: One channel, height, width: pictures come as rows of pixels.
        features: Channels inside all networks.
        scale: Of the Laplace likelihoods.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...] = (1, 8, 8),
        features: int = 32,
        scale: float = 0.1,
    ):
        super().__init__()
        self.scale = scale
        self.into_a, self.into_b = (convolutions(image_shape, features) for _ in "ab")
        self.critic_a, self.critic_b = (critic(image_shape, features) for _ in "ab")
        self.register_buffer("seen", torch.rand(2, 64, image_shape[1] * image_shape[2]))

    def model(self, x: Any = None, n: int = 1) -> dict[str, Tensor]:
        """Translations of both kinds, of shape `[B, pixels]`."""
        given = {"a": None, "b": None} if x is None else x
        with dgmppl.data_plate(given["a"], n):
            real_a, real_b = self._given(x, n)
            b, a = self.into_b(real_a), self.into_a(real_b)
            back_a, back_b = self.into_a(b), self.into_b(a)
            pyro.sample("back_a", Laplace(back_a, self.scale).to_event(1), obs=given["a"])
            pyro.sample("back_b", Laplace(back_b, self.scale).to_event(1), obs=given["b"])
            return {
                "a": dgmppl.implicit("a", a, obs=given["a"]),
                "b": dgmppl.implicit("b", b, obs=given["b"]),
            }

    def _given(self, x: Any, n: int) -> Tensor:
        """The pictures to translate, `[2, B, pixels]`."""
        if x is None:
            return self.seen[:, torch.randint(self.seen.shape[1], (n,), device=self.seen.device)]
        pictures = torch.stack([x["a"], x["b"]])
        if self.training:
            self.seen[:, : len(x["a"])] = pictures[:, : self.seen.shape[1]]
        return pictures


def game(site: str) -> Adversarial:
    """Of one kind of picture."""
    return Adversarial(site, LeastSquares(), R1(1.0), critic=f"critic_{site}")


recipes = {
    "cycle-gan": Recipe(
        program=CycleGAN,
        objective=game("a") + game("b") + 0.01 * ExpectedLikelihood(("back_a", "back_b")),
        data=partial(renderings, paired=False),
        optimizer=partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.999)),
        averaging=0.99,
        epochs=40,
        batch_size=64,
        about="digits and outlines of others, translated without pairs",
    ),
}
