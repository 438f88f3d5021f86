"""Masked autoregressive flow: each coordinate scaled and shifted by those before it, several times.

        z ──▶ x          p(z) = N(0, I)      z_i = (x_i − μ_i(x_<i)) / σ_i(x_<i), layer after layer

Scores take one pass of each layer, draws one for each coordinate. Turned around, the same layers
are an inverse autoregressive flow, whose draws are fast, as guides want it: the family
`InverseAutoregressive`.

References:
    Masked Autoregressive Flow for Density Estimation, George Papamakarios, Theo Pavlakou, Iain
    Murray, 2017. https://arxiv.org/abs/1705.07057
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from pyro.distributions import Normal, TransformedDistribution
from pyro.distributions.transforms import AffineAutoregressive, Permute
from pyro.nn import AutoRegressiveNN
from torch import Tensor, nn

import dgmppl
from dgmppl.data import load
from dgmppl.objectives import MaximumLikelihood
from dgmppl.recipes import Recipe

__all__ = ["MAF", "recipes"]


class MAF(dgmppl.Program):
    """Real vectors.

    Arguments:
        data_dim: D.
        depth: How many layers.
        hidden_features: Width of each one's network of two hidden layers.

    Example:
        >>> MAF(data_dim=3).model(n=5).shape
        torch.Size([5, 3])
    """

    def __init__(self, data_dim: int = 2, depth: int = 5, hidden_features: int = 64):
        super().__init__()
        self.data_dim, widths = data_dim, [hidden_features, hidden_features]
        order = torch.arange(data_dim)
        nets = [AutoRegressiveNN(data_dim, widths, permutation=order) for _ in range(depth)]
        self.layers = nn.ModuleList(AffineAutoregressive(net) for net in nets)
        self.register_buffer("backwards", torch.arange(data_dim).flip(0), persistent=False)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x), x of shape `[B, data_dim]`."""
        layers = [layer for own in self.layers for layer in (own.inv, Permute(self.backwards))]
        noise = Normal(torch.zeros(self.data_dim), 1.0).to_event(1)
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", TransformedDistribution(noise, layers), obs=x)


recipes = {
    "maf": Recipe(
        program=MAF,
        objective=MaximumLikelihood(),
        data=partial(load, name="moons"),
        epochs=30,
        about="masked autoregressive flow of points in the plane",
    ),
}
