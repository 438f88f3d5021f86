"""The angle between a von Mises–Fisher draw and the mean direction, and its derivative."""

from __future__ import annotations

from functools import cache
from math import pi
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dgmppl.distributions.bessel import bessel_ratio

__all__ = ["draw_polar_angle"]

_CANDIDATES = 24  # each is accepted with probability ≥ 0.65: all fail once in 10¹¹ draws
_NODES = 48
_REACH = 12.0  # standard deviations after which the density is negligible


def draw_polar_angle(concentration: Tensor, dim: int) -> Tensor:
    """Draws θ ∈ [0, π] from f(θ) ∝ exp(κ cos θ) (sin θ)^(d−2), differentiably in κ.

    Draws are Wood's by rejection, with a fixed number of candidates and no branch on their values.
    Their derivative is implicit, dθ/dκ = −∂F(θ; κ)/∂κ / f(θ), for which 48 nodes of Gauss and
    Legendre give ∫ (cos φ − A) f(φ) dφ from θ to the end of its tail, where A = E[cos φ].

    Arguments:
        concentration: κ ≥ 0, any shape, double precision.
        dim: d ≥ 2, the dimension of the space around the sphere.

    Returns:
        Angles in radians, the shape of κ.

    References:
        Simulation of the von Mises Fisher distribution, Andrew Wood, 1994.
        https://doi.org/10.1080/03610919408813161
        Implicit Reparameterization Gradients, Michael Figurnov et al., 2018.
        https://arxiv.org/abs/1805.08498

    Example:
        >>> import torch
        >>> concentration = torch.full((1000,), 1e4, dtype=torch.double, requires_grad=True)
        >>> angle = draw_polar_angle(concentration, dim=3)
        >>> bool((angle < 0.1).all())
        True
        >>> angle.sum().backward()  # all angles narrow
        >>> bool((concentration.grad < 0).all())
        True
    """
    angle = _propose_and_accept(concentration.detach(), dim)
    return _Reparameterized.apply(angle, concentration, dim)


def _propose_and_accept(concentration: Tensor, dim: int) -> Tensor:
    """The first accepted of a fixed number of candidates from Wood's envelope."""
    twice = 2 * concentration
    spread = (dim - 1) / (twice + torch.hypot(twice, torch.full_like(twice, dim - 1)))
    gap = 2 * spread / (1 + spread)  # 1 − x₀
    shape = twice.new_full((2, _CANDIDATES, *twice.shape), (dim - 1) / 2)
    above, below = torch._standard_gamma(shape)
    angle = 2 * torch.atan((spread * above / below).sqrt())
    height = 2 * (angle / 2).sin().square()  # 1 − cos θ without cancellation
    excess = (gap + (1 - gap) * height) / (gap * (2 - gap))
    log_accept = concentration * (gap - height) + (dim - 1) * excess.log()
    accepted = torch.rand_like(log_accept).log() <= log_accept
    first = accepted.to(torch.uint8).argmax(0, keepdim=True)
    return angle.gather(0, first).squeeze(0)


class _Reparameterized(torch.autograd.Function):
    """Passes an angle on and gives it its implicit derivative by the concentration."""

    @staticmethod
    def forward(ctx: Any, angle: Tensor, concentration: Tensor, dim: int) -> Tensor:
        ctx.save_for_backward(angle, concentration)
        ctx.dim = dim
        return angle.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
        angle, concentration = ctx.saved_tensors
        return None, grad * _implicit_derivative(angle, concentration, ctx.dim), None


def _implicit_derivative(angle: Tensor, concentration: Tensor, dim: int) -> Tensor:
    """dθ/dκ at a fixed quantile: ∫ (cos φ − A) f(φ) / f(θ) dφ from θ to the end of its tail."""
    root = torch.hypot(2 * concentration, torch.full_like(concentration, dim - 2))
    tiny = torch.finfo(angle.dtype).tiny
    cos_mode = 2 * concentration / (dim - 2 + root).clamp_min(tiny)
    precision = concentration * cos_mode + (dim - 2 + root) / 2
    reach = _REACH / precision.clamp_min(tiny).sqrt()
    outward = angle > cos_mode.clamp(max=1.0).acos()  # the tail lies towards π, else towards 0
    end = torch.where(outward, (angle + reach).clamp(max=pi), (angle - reach).clamp(min=0.0))
    nodes, node_weights = (angle.new_tensor(column) for column in _legendre())
    half = ((end - angle) / 2).unsqueeze(-1)
    phi = angle.unsqueeze(-1) + half * (nodes + 1)
    start, rate = angle.unsqueeze(-1), concentration.unsqueeze(-1)
    log_rise = -2 * rate * ((phi + start) / 2).sin() * ((phi - start) / 2).sin()
    log_rise = log_rise + (dim - 2) * (phi.sin() / start.sin().clamp_min(tiny)).log()
    mean = bessel_ratio(dim / 2 - 1, rate)
    tail = half * node_weights * (phi.cos() - mean) * log_rise.exp()
    return tail.sum(-1)


@cache
def _legendre() -> tuple[list[float], list[float]]:
    """Nodes and weights of Gauss–Legendre quadrature on [−1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return nodes.tolist(), weights.tolist()
