"""Learned vectors of positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dgmppl.networks.remembers import Remembers

__all__ = ["Places"]


class Places(Remembers):
    """Adds a learned vector for each position.

    Arguments:
        length: Most positions.
        features: Of the input.

    Example:
        >>> Places(10, 8)(torch.zeros(5, 6, 8)).shape
        torch.Size([5, 6, 8])
    """

    def __init__(self, length: int, features: int):
        super().__init__()
        self.vectors = nn.Parameter(0.02 * torch.randn(length, features))

    def all(self, x: Tensor) -> Tensor:
        """`[N length features] → [N length features]`."""
        return x + self.vectors[: x.shape[1]]

    def next(self, x: Tensor) -> Tensor:
        """`[N 1 features] → [N 1 features]`."""
        return x + self.vectors[self.place]
