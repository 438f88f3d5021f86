"""Distances between two samples, without bias, and tests of whether there is any."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dgmppl.evaluation.measure import Measure

__all__ = ["compared", "energy_distance", "maximum_mean_discrepancy"]


def maximum_mean_discrepancy(
    data: Tensor,
    draws: Tensor,
    *,
    bandwidth: float | None = None,
    permutations: int = 0,
    seed: int = 0,
) -> Measure:
    """MMD² of a sum of Gaussian kernels of five widths: 0 where both distributions are one.

    The U-statistic has no bias, and so falls below 0 half of the time where there is no difference.

    Arguments:
        data: `[n, …]`.
        draws: `[n, …]`, as many.
        bandwidth: The middle width; `None` takes the median distance between data.
        permutations: How often data and draws are mixed for a p-value; 0 gives none.
        seed: Of the mixing.

    References:
        A Kernel Two-Sample Test, Arthur Gretton et al., 2012.
        https://jmlr.org/papers/v13/gretton12a.html

    Example:
        >>> x = torch.randn(2, 300, 2, generator=torch.Generator().manual_seed(0))
        >>> same = maximum_mean_discrepancy(x[0], x[1])
        >>> abs(same.value) < 3 * same.standard_error
        True
    """
    joint, number = _joined(data, draws)
    distance = torch.cdist(joint, joint).square()
    if bandwidth is None:
        bandwidth = float(distance[:number, :number].median().sqrt().clamp(min=1e-12))
    widths = [bandwidth * 2.0**power for power in range(-2, 3)]
    kernel = torch.stack([(-distance / (2 * width**2)).exp() for width in widths]).mean(0)
    caution = f"kernels of widths {widths[0]:.3g} … {widths[-1]:.3g}; blind to what is finer"
    return compared(kernel, number, "MMD²", caution, permutations, seed)


def energy_distance(
    data: Tensor, draws: Tensor, *, permutations: int = 0, seed: int = 0
) -> Measure:
    """2 E‖x − y‖ − E‖x − x'‖ − E‖y − y'‖, in the data's unit of length.

    Arguments:
        data: `[n, …]`.
        draws: `[n, …]`, as many.
        permutations: As of `maximum_mean_discrepancy`.
        seed: Likewise.

    References:
        Energy Statistics: A Class of Statistics Based on Distances, Gábor Székely and Maria Rizzo,
        2013. https://doi.org/10.1016/j.jspi.2013.03.018
    """
    joint, number = _joined(data, draws)
    kernel = -torch.cdist(joint, joint)
    return compared(
        kernel, number, "energy distance", "weak against differences in few dimensions",
        permutations, seed,
    )  # fmt: skip


def _joined(data: Tensor, draws: Tensor) -> tuple[Tensor, int]:
    """Both samples below each other, `[2n, numbers]` in double precision."""
    if data.shape != draws.shape or len(data) < 4:
        raise ValueError(
            f"Expected as many draws as data, and four at least, got shapes {tuple(draws.shape)} "
            f"and {tuple(data.shape)}. Try data[:n] and draws[:n]."
        )
    return torch.cat([data, draws]).double().flatten(1), len(data)


def compared(
    kernel: Tensor, number: int, name: str, caution: str, permutations: int, seed: int
) -> Measure:
    """The U-statistic of a kernel matrix of both, `[2n, 2n]`, with its jackknife error."""
    value, error = _statistic(kernel, number)
    if not permutations:
        return Measure(name, value, error, caution)
    generator = torch.Generator().manual_seed(seed)
    beyond = 0
    for _ in range(permutations):
        order = torch.randperm(2 * number, generator=generator).to(kernel.device)
        beyond += _statistic(kernel[order][:, order], number)[0] >= value
    return Measure(name, value, error, caution, (1 + beyond) / (1 + permutations))


def _statistic(kernel: Tensor, n: int) -> tuple[float, float]:
    """Mean over pairs i ≠ j of h_ij = k(x_i,x_j) + k(y_i,y_j) − k(x_i,y_j) − k(x_j,y_i)."""
    cross = kernel[:n, n:]
    h = kernel[:n, :n] + kernel[n:, n:] - cross - cross.T
    h.fill_diagonal_(0.0)
    rows, total = h.sum(1), h.sum()
    without = (total - 2 * rows) / ((n - 1) * (n - 2))  # one pair of points left out
    error = math.sqrt((n - 1) / n * float((without - without.mean()).square().sum()))
    return float(total / (n * (n - 1))), error
