"""The planar map with an inverse, so that it can score values that it did not draw."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Transform, constraints

from dgmppl.guides.flow import around_one
from dgmppl.guides.tanh_root import tanh_root

__all__ = ["InvertiblePlanar"]

STEEPEST = 0.999  # keeps wᵀû off −1, where the map has no inverse


class InvertiblePlanar(Transform):
    """y = x + û tanh(wᵀx + b), where wᵀû > −1 makes it a bijection.

    Along w the map is the scalar function a ↦ a + (wᵀû) tanh a of a = wᵀx + b, which rises; the
    inverse finds a, and x = y − û tanh a. Unlike the paper's, û is zero where u is.

    Arguments:
        u: Where the map moves to, `[*batch, D]`; û is u corrected along w.
        w: The normal of the plane, `[*batch, D]`.
        b: The plane's place, `[*batch]`.

    References:
        Variational Inference with Normalizing Flows, Danilo Rezende and Shakir Mohamed, 2015,
        appendix A.1. https://arxiv.org/abs/1505.05770

    Example:
        >>> planar = InvertiblePlanar(torch.ones(2), torch.tensor([1.0, -2.0]), torch.zeros(()))
        >>> x = torch.tensor([0.5, 0.3])
        >>> torch.allclose(planar.inv(planar(x).clone()), x, atol=1e-6)
        True
    """

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, u: Tensor, w: Tensor, b: Tensor):
        super().__init__(cache_size=1)
        along = (w * u).sum(-1, keepdim=True)
        length = w.square().sum(-1, keepdim=True) + torch.finfo(w.dtype).tiny
        slope = STEEPEST * (around_one(along) - 1)
        self.u = u + (slope - along) * w / length
        self.w, self.b = w, b
        self.slope = slope.squeeze(-1)

    def _plane(self, x: Tensor) -> Tensor:
        return (self.w * x).sum(-1) + self.b

    def _call(self, x: Tensor) -> Tensor:
        return x + self.u * self._plane(x).tanh()[..., None]

    def _inverse(self, y: Tensor) -> Tensor:
        return y - self.u * tanh_root(self.slope, self._plane(y)).tanh()[..., None]

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log|1 + wᵀû (1 − tanh²(wᵀx + b))|, `[*batch]`."""
        return (self.slope * (1 - self._plane(x).tanh().square())).log1p()
