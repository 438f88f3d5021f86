"""The mean of weights that are known by their logarithms."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["log_mean_weight"]


def log_mean_weight(parts: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """log of the mean weight and its standard error by the delta method, `[B]` each.

    Arguments:
        parts: Log-weights in parts of some particles, `[K, B]` each.

    Example:
        >>> log_mean_weight([torch.tensor([[1.0], [3.0]]).log()])
        (tensor([0.6931]), tensor([0.3536]))
    """
    number, total, squares = 0, torch.tensor(-math.inf), torch.tensor(-math.inf)
    for log_w in parts:
        number += len(log_w)
        total = torch.logaddexp(total.to(log_w), torch.logsumexp(log_w, 0))
        squares = torch.logaddexp(squares.to(log_w), torch.logsumexp(2 * log_w, 0))
    variance = (squares - 2 * total).exp() - 1 / number
    return total - math.log(number), variance.clamp(min=0.0).sqrt()
