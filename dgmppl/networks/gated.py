"""The gated unit of causal convolutions."""

from __future__ import annotations

from torch import Tensor

__all__ = ["gated"]


def gated(x: Tensor) -> Tensor:
    """tanh(a) · σ(b) of the two halves of the channels, `[N 2·channels …] → [N channels …]`.

    Example:
        >>> import torch
        >>> gated(torch.zeros(2, 6, 5)).shape
        torch.Size([2, 3, 5])
    """
    a, b = x.chunk(2, 1)
    return a.tanh() * b.sigmoid()
