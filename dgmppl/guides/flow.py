"""A network from features to a Gaussian that bijections have warped."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from pyro.distributions import TransformedDistribution
from pyro.distributions.transforms import Permute
from torch import Tensor, nn
from torch.distributions import Transform

from dgmppl.guides.diagonal import DiagonalHead

__all__ = ["Flow", "Layer", "around_one", "gentle", "reverse"]

GENTLE = 0.1  # of PyTorch's own scale of initial weights


class Layer(nn.Module):
    """A network whose value is a bijection of vectors."""

    def forward(self, features: Tensor) -> Transform:
        """`[*batch, features]` → a bijection of `[*batch, size]`."""
        raise NotImplementedError


class Flow(nn.Module):
    """A mean-field Gaussian of the features, sent through bijections of the features.

    Arguments:
        features: Number of features.
        size: Length of the vectors.
        layers: The bijections' networks, the first applied first.
    """

    def __init__(self, features: int, size: int, layers: Iterable[Layer]):
        super().__init__()
        self.base = DiagonalHead(features, size)
        self.layers = nn.ModuleList(layers)

    def forward(self, features: Tensor) -> Any:
        """`[*batch, features]` → a distribution of event shape `[size]`."""
        return TransformedDistribution(
            self.base(features), [layer(features) for layer in self.layers]
        )


class _Reverse(Layer):
    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, features: Tensor) -> Transform:
        backwards = torch.arange(self.size - 1, -1, -1, device=features.device)
        return Permute(backwards, cache_size=1)


def reverse(size: int) -> Layer:
    """The layer that turns the order of the coordinates around, between layers that depend on it.

    Example:
        >>> reverse(3)(torch.zeros(1))(torch.tensor([1.0, 2.0, 3.0]))
        tensor([3., 2., 1.])
    """
    return _Reverse(size)


def gentle(linear: nn.Linear, outputs: slice = slice(None)) -> nn.Linear:
    """The same layer with small first outputs, for flows that start near the identity.

    Arguments:
        linear: The layer.
        outputs: Which of its outputs are to be small.

    Example:
        >>> bool(gentle(nn.Linear(100, 1)).weight.abs().max() < 0.01)
        True
    """
    with torch.no_grad():
        linear.weight[outputs] *= GENTLE
        linear.bias[outputs] *= GENTLE
    return linear


def around_one(x: Tensor) -> Tensor:
    """A positive number that is 1 where x is 0: softplus(x + log(e − 1)).

    Example:
        >>> around_one(torch.zeros(2))
        tensor([1., 1.])
    """
    return F.softplus(x + math.log(math.e - 1))
