"""Masked autoencoder for distribution estimation: all conditionals by one masked network.

        x_1 ──▶ x_2 ──▶ x_3 ──▶ …        p(x | o) = Π_i p(x_{o_i} | x_{o_1}, …, x_{o_{i−1}})
          └───────────▶  ▲               p(x) = 1/M Σ_o p(x | o), over M orders of the pixels

Masks on its weights let an output see only inputs before its own, so that one pass gives all
conditionals. Several orders share the weights; a datum's order is a latent variable of M values
that is summed out, and the ensemble's likelihood is exact as well.

References:
    MADE: Masked Autoencoder for Distribution Estimation, Mathieu Germain, Karol Gregor, Iain
    Murray, Hugo Larochelle, 2015. https://arxiv.org/abs/1502.03509
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from pyro.distributions import Categorical
from torch import Tensor

import dgmppl
from dgmppl.distributions import Autoregressive
from dgmppl.networks import MaskedMLP
from dgmppl.objectives import MaximumLikelihood
from dgmppl.recipes import Recipe

__all__ = ["MADE", "recipes"]


class MADE(dgmppl.Program):
    """Binary vectors, in one order or in a mixture of several.

    Arguments:
        data_dim: Number of pixels.
        hidden_features: Widths of the hidden layers.
        orders: M, how many orders.

    Example:
        >>> MADE(data_dim=16).model(n=3).shape
        torch.Size([3, 16])
    """

    def __init__(
        self, data_dim: int = 784, hidden_features: tuple[int, ...] = (500,), orders: int = 1
    ):
        super().__init__()
        self.net = MaskedMLP(data_dim, hidden_features, orders=orders)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(o) p(x|o), x of shape `[B, data_dim]`."""
        number, dim = self.net.orders.shape
        with dgmppl.data_plate(x, n):
            which = order = None
            if number > 1:
                which = pyro.sample("order", Categorical(torch.ones(number)))
                order = self.net.orders[which]
            pixels = Autoregressive(partial(self.net, which=which), (dim,), order=order)
            return pyro.sample("x", pixels, obs=x)


recipes = {
    "made": Recipe(
        program=MADE, objective=MaximumLikelihood(), epochs=50, about="MADE in one order of pixels"
    ),
    "made-orders": Recipe(
        program=partial(MADE, orders=4),
        objective=MaximumLikelihood(),
        epochs=50,
        about="MADE as a mixture of four orders",
    ),
}
