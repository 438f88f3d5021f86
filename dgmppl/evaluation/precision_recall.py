"""Quality and diversity apart: draws among the data, data among the draws."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dgmppl.evaluation.measure import Measure

__all__ = ["precision_recall"]


def precision_recall(
    data: Tensor, draws: Tensor, *, neighbours: int = 3
) -> tuple[Measure, Measure]:
    """The shares of draws that lie among data, and of data that lie among draws.

    A point lies among others if it is no further from one of them than that one's k-th neighbour.

    Arguments:
        data: `[n, …]`: features for pictures, or the points themselves in few dimensions.
        draws: `[m, …]`.
        neighbours: k.

    References:
        Improved Precision and Recall Metric for Assessing Generative Models, Tuomas Kynkäänniemi et
        al., 2019. https://arxiv.org/abs/1904.06991

    Example:
        >>> x = torch.randn(2, 500, 2, generator=torch.Generator().manual_seed(0))
        >>> precision, recall = precision_recall(x[0], 0.1 * x[1])  # one place in the middle
        >>> precision.value > 0.95, recall.value < 0.2
        (True, True)
    """
    x, y = (part.flatten(1).double() for part in (data, draws))
    caution = f"hulls of {neighbours} neighbours grow with outliers and with fewer samples"
    precision = _among(y, x, neighbours)
    recall = _among(x, y, neighbours)
    return (
        Measure("precision", precision, _error(precision, len(y)), caution),
        Measure("recall", recall, _error(recall, len(x)), caution),
    )


def _among(points: Tensor, others: Tensor, neighbours: int) -> float:
    radius = torch.cdist(others, others).kthvalue(neighbours + 1, dim=1).values  # itself is first
    return float((torch.cdist(points, others) <= radius).any(1).double().mean())


def _error(share: float, number: int) -> float:
    return math.sqrt(share * (1 - share) / number)
