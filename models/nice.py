"""NICE: an invertible map that keeps volumes, and a scale for each coordinate.

        z ──▶ x          p(z) = Π_i logistic(z_i)    x = f(z · exp(s))    log p(x) = log p(z) − Σ s

Each coupling shifts one half of the coordinates by a function of the other half, so that its
determinant is 1; the coordinates are turned around in between.

References:
    NICE: Non-linear Independent Components Estimation, Laurent Dinh, David Krueger, Yoshua Bengio,
    2014. https://arxiv.org/abs/1410.8516
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from pyro.distributions import Logistic, TransformedDistribution
from pyro.distributions.transforms import AffineTransform, Permute
from torch import Tensor, nn

import dgmppl
from dgmppl.data import load
from dgmppl.objectives import MaximumLikelihood
from dgmppl.recipes import Recipe
from dgmppl.transforms import AdditiveCoupling

__all__ = ["NICE", "recipes"]


class NICE(dgmppl.Program):
    """Real vectors.

    Arguments:
        data_dim: D, 2 or more.
        depth: How many couplings.
        hidden_features: Width of each one's network of two hidden layers.

    Example:
        >>> NICE(data_dim=3).model(n=5).shape
        torch.Size([5, 3])
    """

    def __init__(self, data_dim: int = 2, depth: int = 8, hidden_features: int = 64):
        super().__init__()
        self.data_dim, first = data_dim, data_dim // 2
        self.log_scale = nn.Parameter(torch.zeros(data_dim))
        self.couplings = nn.ModuleList(
            AdditiveCoupling(
                first,
                nn.Sequential(
                    nn.Linear(first, hidden_features),
                    nn.ReLU(),
                    nn.Linear(hidden_features, hidden_features),
                    nn.ReLU(),
                    nn.Linear(hidden_features, data_dim - first),
                ),
            )
            for _ in range(depth)
        )
        self.register_buffer("backwards", torch.arange(data_dim).flip(0), persistent=False)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x), x of shape `[B, data_dim]`."""
        layers = [AffineTransform(torch.zeros(()), self.log_scale.exp(), event_dim=1)]
        layers += [layer for own in self.couplings for layer in (own, Permute(self.backwards))]
        noise = Logistic(torch.zeros(self.data_dim), 1.0).to_event(1)
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", TransformedDistribution(noise, layers), obs=x)


recipes = {
    "nice": Recipe(
        program=NICE,
        objective=MaximumLikelihood(),
        data=partial(load, name="moons"),
        epochs=30,
        about="additive couplings of points in the plane",
    ),
}
