"""Modified Bessel functions of the first kind, scaled so as neither to over- nor underflow."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import ceil, log, pi

import torch
from torch import Tensor

__all__ = ["bessel_ratio", "log_bessel"]

_LEAST_ORDER = 10  # from which this many terms are exact to double precision
_TERMS = 16


def log_bessel(order: float, x: Tensor) -> Tensor:
    """log(x^−ν e^−x I_ν(x)), which is finite and smooth from x = 0 on.

    From order 10 the uniform (Debye) expansion in 1 / √(ν² + x²) holds to double precision for
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
    value, following = _debye(x.new_tensor([top, top + 1]), x.unsqueeze(-1)).unbind(-1)
    ratio = (following - value).exp()
    squared = x.square()
    for step in range(1, steps + 1):
        ratio = 1 / (2 * (top - step + 1) + squared * ratio)
        value = value - ratio.log()
    return value, ratio


def _debye(order: Tensor, x: Tensor) -> Tensor:
    """log(x^−ν e^−x I_ν) by the expansion for large orders."""
    radius = torch.hypot(x, order)
    table, power = x.new_tensor(_coefficients()), torch.arange(_TERMS, device=x.device)
    polynomials = (order / radius).square().unsqueeze(-1).pow(power) @ table.mT
    series = (polynomials * (1 / radius).unsqueeze(-1).pow(power)).sum(-1)
    exponent = order**2 / (radius + x) - order * (radius + order).log()
    return exponent - 0.5 * (radius.log() + log(2 * pi)) + series.log()


@cache
def _coefficients() -> list[list[float]]:
    """Row k: the polynomial u_k(p) / p^k by powers of p², filled with zeros (DLMF 10.41.9)."""
    row, rows = [Fraction(1)], []
    for k in range(_TERMS):
        rows.append([float(c) for c in row] + [0.0] * (_TERMS - k - 1))
        following = [Fraction(0)] * (k + 2)
        for j, c in enumerate(row):  # the term c p^(k + 2j)
            power = k + 2 * j
            following[j] += c * (Fraction(power, 2) + Fraction(1, 8 * (power + 1)))
            following[j + 1] -= c * (Fraction(power, 2) + Fraction(5, 8 * (power + 3)))
        row = following
    return rows
