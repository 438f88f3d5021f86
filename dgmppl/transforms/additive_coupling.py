"""Couplings that shift one half of a vector by a function of the other."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions.torch_transform import TransformModule
from torch import Tensor, nn
from torch.distributions import constraints

__all__ = ["AdditiveCoupling"]


class AdditiveCoupling(TransformModule):
    """(a, b) ↦ (a, b + f(a)), whose Jacobian has determinant 1.

    Arguments:
        split: Length of a.
        net: f, `[*batch split]` → `[*batch, D − split]`.

    References:
        NICE: Non-linear Independent Components Estimation, Laurent Dinh, David Krueger, Yoshua
        Bengio, 2014. https://arxiv.org/abs/1410.8516

    Example:
        >>> coupling = AdditiveCoupling(1, nn.Linear(1, 2))
        >>> x = torch.randn(5, 3)
        >>> bool(torch.allclose(coupling.inv(coupling(x)), x, atol=1e-6))
        True
    """

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, split: int, net: nn.Module):
        super().__init__(cache_size=1)
        self.split, self.net = split, net

    def _call(self, x: Tensor) -> Tensor:
        return self._moved(x, 1)

    def _inverse(self, y: Tensor) -> Tensor:
        return self._moved(y, -1)

    def _moved(self, x: Tensor, sign: int) -> Tensor:
        a, b = x[..., : self.split], x[..., self.split :]
        return torch.cat([a, b + sign * self.net(a)], -1)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Tensor:
        """Zeros, `[*batch]`."""
        return x.new_zeros(x.shape[:-1])
