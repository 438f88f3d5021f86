"""Nats into bits."""

from __future__ import annotations

import math

from torch import Tensor

__all__ = ["bits_per_dim"]


def bits_per_dim(log_prob: Tensor, num_dims: float, *, levels: int | None = None) -> Tensor:
    """−log₂ p a dimension.

    Arguments:
        log_prob: log p(x) in nats, any shape.
        num_dims: Dimensions of one datum: 784 for 28 × 28 grey pixels; where some are missing, how
            many are observed, on average.
        levels: Grey levels, where x are dequantised values scaled to [0, 1]: their density is
            turned back into that of the levels. `None` for discrete data, whose log p needs no such
            correction.

    Returns:
        Bits a dimension, the shape of `log_prob`; lower is better.

    Example:
        >>> import torch
        >>> bits_per_dim(torch.tensor([0.0]), 784, levels=256)
        tensor([8.])
    """
    bits = -log_prob / (num_dims * math.log(2.0))
    return bits if levels is None else bits + math.log2(levels)
