"""A network from features to a Gaussian that bijections have warped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from pyro.distributions import TransformedDistribution
from pyro.distributions.transforms import Permute
from torch import Tensor, nn
from torch.distributions import Transform

from dgmppl.guides.diagonal import DiagonalHead

__all__ = ["Flow", "Layer", "reverse"]


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
