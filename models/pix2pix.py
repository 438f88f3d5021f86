"""pix2pix: a picture is translated into another, by a critic of pairs and a likelihood.

        a ──▶ b          b = translator(a, z), without a density; near b: Laplace(b, scale)
        z ────┘          critic(a, b): what tells pairs of data from (a, translation of a)

The likelihood keeps a translation near the truth, and the critic keeps it from being the mean of
all that could be true.

References:
    Image-to-Image Translation with Conditional Adversarial Networks, Phillip Isola, Jun-Yan Zhu,
    Tinghui Zhou, Alexei Efros, 2016. https://arxiv.org/abs/1611.07004
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pyro
import torch
from pyro.distributions import Laplace, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.adversarial import R1
from dgmppl.data import renderings
from dgmppl.objectives import Adversarial, ExpectedLikelihood
from dgmppl.recipes import Recipe

__all__ = ["Pix2Pix", "network", "recipes"]


def network(inputs: int, hidden_features: int, outputs: int) -> nn.Sequential:
    """Two hidden layers, `[*batch inputs] → [*batch outputs]`."""
    return nn.Sequential(
        nn.Linear(inputs, hidden_features),
        nn.LeakyReLU(0.2),
        nn.Linear(hidden_features, hidden_features),
        nn.LeakyReLU(0.2),
        nn.Linear(hidden_features, outputs),
    )


class Pix2Pix(dgmppl.Program):
    """A translator of a into b.

    Without data, pictures a are those of the last batch that it learned from: p(a) has no model.

    Arguments:
        data_dim: Pixels of either picture.
        z_dim: Size of the noise.
        hidden_features: Width of both networks.
        scale: Of the Laplace likelihood.
    """

    def __init__(
        self,
        data_dim: int = 64,
        z_dim: int = 8,
        hidden_features: int = 256,
        scale: float = 0.1,
    ):
        super().__init__()
        self.z_dim, self.scale = z_dim, scale
        self.translator = network(data_dim + z_dim, hidden_features, data_dim)
        self.pairs = network(2 * data_dim, hidden_features, 1)
        self.register_buffer("seen", torch.rand(64, data_dim))

    def model(self, x: Any = None, n: int = 1) -> dict[str, Tensor]:
        """a and b, of shape `[B, data_dim]` each."""
        x = {"a": None, "b": None} if x is None else x
        with dgmppl.data_plate(x["a"], n):
            a = pyro.deterministic("a", self._given(x["a"], n))
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            translated = self.translator(torch.cat([a, z], -1)).sigmoid()
            b = dgmppl.implicit("b", translated, obs=x["b"])
            pyro.sample("near", Laplace(translated, self.scale).to_event(1), obs=x["b"])
            return {"a": a, "b": b}

    def _given(self, a: Tensor | None, n: int) -> Tensor:
        """The pictures to translate."""
        if a is None:
            return self.seen[torch.randint(len(self.seen), (n,), device=self.seen.device)]
        if self.training:
            self.seen[: len(a)] = a[: len(self.seen)]
        return a

    def critic(self, a: Tensor, b: Tensor) -> Tensor:
        """Of pairs, `[B]`."""
        return self.pairs(torch.cat([a, b], -1)).squeeze(-1)


recipes = {
    "pix2pix": Recipe(
        program=Pix2Pix,
        objective=Adversarial(("a", "b"), regularizer=R1(1.0)) + 0.1 * ExpectedLikelihood("near"),
        data=partial(renderings, paired=True),
        optimizer=partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.999)),
        epochs=60,
        batch_size=64,
        about="digits from their outlines, by a critic of pairs and a likelihood",
    ),
}
