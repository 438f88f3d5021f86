"""Sets of point clouds compared by the distances of their clouds."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from dgmppl.evaluation.measure import Measure

__all__ = ["chamfer_distance", "cloud_measures"]

#: Distances `[n, m]` of clouds `[n, points, d]` to others `[m, points, d]`.
CloudDistance = Callable[[Tensor, Tensor], Tensor]


def chamfer_distance(clouds: Tensor, others: Tensor) -> Tensor:
    """Mean squared distance of each point to the other cloud's nearest, both ways added.

    Arguments:
        clouds: `[n, points, d]`.
        others: `[m, points, d]`; they may have another number of points.

    Returns:
        `[n, m]`.

    References:
        A Point Set Generation Network for 3D Object Reconstruction from a Single Image, Haoqiang
        Fan, Hao Su, Leonidas Guibas, 2016. https://arxiv.org/abs/1612.00603

    Example:
        >>> one, two = torch.zeros(1, 5, 3), torch.ones(1, 4, 3)
        >>> chamfer_distance(one, two)
        tensor([[6.]])
    """
    rows = []
    for cloud in clouds:
        apart = torch.cdist(cloud.expand(len(others), -1, -1), others)
        rows.append(apart.amin(2).square().mean(1) + apart.amin(1).square().mean(1))
    return torch.stack(rows)


def cloud_measures(
    data: Tensor, draws: Tensor, distance: CloudDistance = chamfer_distance
) -> tuple[Measure, Measure, Measure]:
    """Coverage, minimum matching distance, and accuracy of the nearest neighbour.

    Coverage is the share of the data that are the nearest datum of some draw. The matching distance
    is from a datum to its nearest draw. The accuracy is how often a cloud's nearest neighbour among
    all others is of its own kind: one half if data and draws have one distribution.

    Two samples of one distribution cover about half of each other: compare with what other data of
    the same number get.

    Arguments:
        data: Clouds `[n, points, d]`.
        draws: As many.
        distance: Of two sets of clouds.

    Raises:
        ValueError: If there are not as many draws as data.

    References:
        Learning Representations and Generative Models for 3D Point Clouds, Panos Achlioptas et al.,
        2017. https://arxiv.org/abs/1707.02392 PointFlow: 3D Point Cloud Generation with Continuous
        Normalizing Flows, Guandao Yang et al., 2019. https://arxiv.org/abs/1906.12320

    Example:
        >>> from dgmppl.data import load
        >>> clouds = load("furniture", n=40).values
        >>> coverage, matching, accuracy = cloud_measures(clouds, clouds)
        >>> coverage.value, round(matching.value, 6)
        (1.0, 0.0)
    """
    if data.dim() != 3 or data.shape[0] != draws.shape[0] or data.shape[2] != draws.shape[-1]:
        raise ValueError(
            f"Expected as many clouds [n, points, d] of draws as of data, got {list(draws.shape)} "
            f"and {list(data.shape)}. Try dgmppl.generate(program, {len(data)})."
        )
    n = len(data)
    across = distance(data, draws)
    share = len(across.argmin(0).unique()) / n
    coverage = Measure(
        "coverage",
        share,
        math.sqrt(share * (1 - share) / n),
        "blind to how far draws are from the data that they cover",
    )
    nearest = across.amin(1).double()
    matching = Measure(
        "matching distance",
        float(nearest.mean()),
        float(nearest.std() / math.sqrt(n)),
        "blind to draws that are near no datum",
    )
    own, theirs = (_nearest_other(distance(part, part)) for part in (data, draws))
    right = torch.cat([own < across.amin(1), theirs < across.amin(0)]).double()
    accuracy = Measure(
        "nearest-neighbour accuracy",
        float(right.mean()),
        float(right.std() / math.sqrt(2 * n)),
        "one half is best; below it draws repeat data",
    )
    return coverage, matching, accuracy


def _nearest_other(distances: Tensor) -> Tensor:
    """Of each row but to itself."""
    return distances.clone().fill_diagonal_(math.inf).amin(1)
