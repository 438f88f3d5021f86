"""Neural autoregressive distribution estimators: in the pixels' order, and in any order.

        x_1 ──▶ x_2 ──▶ x_3 ──▶ …        p(x) = Π_i p(x_i | x_1, …, x_{i−1})
          └───────────▶  ▲               p(x_i = 1 | …) = σ(b_i + V_i h_i)
                                         h_i = σ(c + Σ_{j<i} W_j x_j)

A hidden layer for each pixel, which shares all of its sum with the layer before. The orderless
estimator is one network that is given some of the pixels, and which ones; learning hides the rest
of a random order, a sum over positions of which one is drawn and scaled, as by a plate that is
subsampled. It then draws what is missing from any picture. Scores are those of one order.

References:
    The Neural Autoregressive Distribution Estimator, Hugo Larochelle, Iain Murray, 2011.
    https://proceedings.mlr.press/v15/larochelle11a.html A Deep and Tractable Density Estimator,
    Benigno Uria, Iain Murray, Hugo Larochelle, 2014. https://arxiv.org/abs/1310.1757
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, pairwise

import pyro
import torch
from pyro import poutine
from pyro.distributions import Bernoulli
from torch import Tensor, nn

import dgmppl
from dgmppl.distributions import Autoregressive
from dgmppl.networks import AnyOrder
from dgmppl.objectives import MaximumLikelihood
from dgmppl.recipes import Recipe

__all__ = ["NADE", "OrderlessNADE", "recipes"]


class Hidden(nn.Module):
    """Logits of every pixel from those before it, `[*batch D] → [*batch D]`."""

    def __init__(self, data_dim: int, hidden_features: int):
        super().__init__()
        self.W = nn.Parameter(torch.randn(data_dim, hidden_features) * data_dim**-0.5)
        self.V = nn.Parameter(torch.randn(data_dim, hidden_features) * hidden_features**-0.5)
        self.b = nn.Parameter(torch.zeros(data_dim))
        self.c = nn.Parameter(torch.zeros(hidden_features))

    def forward(self, x: Tensor) -> Tensor:
        """All at once."""
        before = nn.functional.pad(x[..., :-1, None] * self.W[:-1], (0, 0, 1, 0)).cumsum(-2)
        return self.b + ((before + self.c).sigmoid() * self.V).sum(-1)

    def walk(self, x: Tensor) -> Iterator[Tensor]:
        """One after the other."""
        before = self.c.expand(*x.shape[:-1], -1)
        for i in range(len(self.b)):
            yield self.b[i] + before.sigmoid() @ self.V[i]
            before = before + x[..., i, None] * self.W[i]


class NADE(dgmppl.Program):
    """Binary vectors in their own order.

    Arguments:
        data_dim: D, number of pixels.
        hidden_features: Width of the hidden layers.

    Example:
        >>> NADE(data_dim=16).model(n=3).shape
        torch.Size([3, 16])
    """

    def __init__(self, data_dim: int = 784, hidden_features: int = 200):
        super().__init__()
        self.data_dim, self.net = data_dim, Hidden(data_dim, hidden_features)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x), x of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", Autoregressive(self.net, (self.data_dim,)), obs=x)


class OrderlessNADE(dgmppl.Program):
    """Binary vectors in any order.

    Arguments:
        data_dim: D, number of pixels.
        hidden_features: Width of the two hidden layers.
    """

    def __init__(self, data_dim: int = 784, hidden_features: int = 500):
        super().__init__()
        self.data_dim = data_dim
        widths = [2 * data_dim, hidden_features, hidden_features]
        layers = [[nn.Linear(a, b), nn.ReLU()] for a, b in pairwise(widths)]
        self.net = AnyOrder(nn.Sequential(*chain(*layers), nn.Linear(hidden_features, data_dim)))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x), x of shape `[B, data_dim]`; while learning an estimate from one position."""
        with dgmppl.data_plate(x, n) as rows:
            if x is None or not self.training:
                return pyro.sample("x", Autoregressive(self.net, (self.data_dim,)), obs=x)
            number = torch.randint(self.data_dim, (len(rows), 1), device=x.device)
            seen = torch.rand_like(x).argsort(-1) < number
            hidden = Bernoulli(logits=self.net.given(x, seen)).mask(~seen).to_event(1)
            left = (self.data_dim - number[:, 0]).to(x)
            with poutine.scale(scale=self.data_dim / left):
                return pyro.sample("x", hidden, obs=x)


recipes = {
    "nade": Recipe(
        program=NADE, objective=MaximumLikelihood(), epochs=50, about="NADE in one order of pixels"
    ),
    "orderless-nade": Recipe(
        program=OrderlessNADE,
        objective=MaximumLikelihood(),
        epochs=200,
        about="deep NADE, which draws pixels in any order",
    ),
}
