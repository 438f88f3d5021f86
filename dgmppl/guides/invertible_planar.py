"""The planar map with an inverse, so that it can score values that it did not draw."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Transform, constraints

__all__ = ["InvertiblePlanar"]

HALVINGS = 60  # of the bracket of the inverse: beyond double precision


class InvertiblePlanar(Transform):
    """y = x + û tanh(wᵀx + b), where wᵀû > −1 makes it a bijection.

    Along w the map is the scalar function a ↦ a + (wᵀû) tanh a of a = wᵀx + b, which rises; the
    inverse finds a by bisection, and x = y − û tanh a. One Newton step from there gives the inverse
    its exact first derivatives.

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
        self.u = u + (F.softplus(along) - 1 - along) * w / length
        self.w, self.b = w, b
        self.slope = (self.w * self.u).sum(-1)

    def _plane(self, x: Tensor) -> Tensor:
        return (self.w * x).sum(-1) + self.b

    def _call(self, x: Tensor) -> Tensor:
        return x + self.u * self._plane(x).tanh()[..., None]

    def _inverse(self, y: Tensor) -> Tensor:
        target = self._plane(y)
        a = self._root(target.detach())
        act = a.tanh()
        rise = 1 + self.slope.detach() * (1 - act**2)
        a = a - (a + self.slope * act - target) / rise
        return y - self.u * a.tanh()[..., None]

    def _root(self, target: Tensor) -> Tensor:
        """The a with a + slope · tanh a = target."""
        slope = self.slope.detach()
        low, high = target - slope.abs(), target + slope.abs()
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            over = middle + slope * middle.tanh() > target
            low, high = torch.where(over, low, middle), torch.where(over, middle, high)
        return (low + high) / 2

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log|1 + wᵀû (1 − tanh²(wᵀx + b))|, `[*batch]`."""
        return (self.slope * (1 - self._plane(x).tanh().square())).log1p()
