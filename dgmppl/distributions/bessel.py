"""Modified Bessel functions of the first kind, scaled so as neither to over- nor underflow."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import ceil, log, pi

import torch
from torch import Tensor

__all__ = ["bessel_ratio", "log_bessel"]

_LEAST_ORDER = 15  # from which the expansion below is exact to double precision
_TERMS = 12


def log_bessel(order: float, x: Tensor) -> Tensor:
    """log(x^−ν e^−x I_ν(x)), which is finite and smooth from x = 0 on.

    From order 15 the uniform (Debye) expansion in 1 / √(ν² + x²) holds to double precision for
    every x; a lower order comes down from there by Miller's recurrence,
    I_ν / x^ν = (2ν + 2 + x² g_{ν+1}) I_{ν+1} / x^{ν+1} with g_ν = I_{ν+1}(x) / (x I_ν(x)).
    The gradient is I_{ν+1} / I_ν − 1. All is computed in double precision.

    Arguments:
        order: ν ≥ 0.
        x: Non-negative, any shape.

    Returns:
        A tensor of the shape and type of x.

    References:
        NIST Digital Library of Mathematical Functions, §10.41(ii). https://dlmf.nist.gov/10.41

    Example:
        >>> import torch
        >>> x = torch.tensor([0.0, 2.0])
        >>> log_bessel(0.5, x)  # I_½(x) = √(2 / πx) sinh x
        tensor([-0.2258, -1.6306])
    """
    return _descend(order, x.double())[0].to(x.dtype)


def bessel_ratio(order: float, x: Tensor) -> Tensor:
    """I_{ν+1}(x) / I_ν(x), from 0 at x = 0 up to 1.

    Arguments:
        order: ν ≥ 0.
        x: Non-negative, any shape.

    Returns:
        A tensor of the shape and type of x.

    Example:
        >>> import torch
        >>> x = torch.tensor([0.5, 2.0])
        >>> torch.allclose(bessel_ratio(0.5, x), 1 / x.tanh() - 1 / x)
        True
    """
    wide = x.double()
    return (wide * _descend(order, wide)[1]).to(x.dtype)


def _descend(order: float, x: Tensor) -> tuple[Tensor, Tensor]:
    """log(x^−ν e^−x I_ν) and g_ν = I_{ν+1} / (x I_ν)."""
    steps = max(0, ceil(_LEAST_ORDER - order))
    top = order + steps
    value = _debye(top, x)
    ratio = (_debye(top + 1, x) - value).exp()
    for step in range(1, steps + 1):
        ratio = 1 / (2 * (top - step + 1) + x.square() * ratio)
        value = value - ratio.log()
    return value, ratio


def _debye(order: float, x: Tensor) -> Tensor:
    """log(x^−ν e^−x I_ν) by the expansion for large orders."""
    radius = (x.square() + order**2).sqrt()
    squared = (order / radius).square()
    series = torch.zeros_like(x)
    for row in reversed(_coefficients()):
        inner = torch.zeros_like(x)
        for coefficient in reversed(row):
            inner = inner * squared + coefficient
        series = series / radius + inner
    exponent = order**2 / (radius + x) - order * (radius + order).log()
    return exponent - 0.5 * (radius.log() + log(2 * pi)) + series.log()


@cache
def _coefficients() -> list[list[float]]:
    """Row k: the polynomial u_k(p) / p^k by rising powers of p² (DLMF 10.41.9)."""
    row, rows = [Fraction(1)], []
    for k in range(_TERMS):
        rows.append([float(c) for c in row])
        following = [Fraction(0)] * (k + 2)
        for j, c in enumerate(row):  # the term c p^(k + 2j)
            power = k + 2 * j
            following[j] += c * (Fraction(power, 2) + Fraction(1, 8 * (power + 1)))
            following[j + 1] -= c * (Fraction(power, 2) + Fraction(5, 8 * (power + 3)))
        row = following
    return rows
