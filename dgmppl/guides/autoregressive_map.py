"""The affine map with a triangular Jacobian, and its inverse."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Transform, constraints

from dgmppl.guides.conditioner import Conditioned

__all__ = ["AutoregressiveMap"]


class AutoregressiveMap(Transform):
    """y_d = μ_d(x_<d) + σ_d(x_<d) x_d.

    The inverse finds one coordinate after the other and adds each to the hidden units, D steps that
    cost together what one pass of the network does.

    Arguments:
        net: A network whose outputs for d see the coordinates before d only.

    References:
        Improving Variational Inference with Inverse Autoregressive Flow, Diederik Kingma et al.,
        2016. https://arxiv.org/abs/1606.04934

    Example:
        >>> outer = torch.tensor([[0.0], [0.5], [0.0], [-1.0]])
        >>> net = Conditioned(torch.ones(1), torch.tensor([[2.0, 0.0]]), outer, torch.zeros(4))
        >>> flow, x = AutoregressiveMap(net), torch.tensor([0.5, 0.3])
        >>> torch.allclose(flow.inv(flow(x).clone()), x)
        True
    """

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, net: Conditioned):
        super().__init__(cache_size=1)
        self.net = net
        self._known: tuple[Tensor | None, Tensor | None] = (None, None)  # an x, its log scales

    def _call(self, x: Tensor) -> Tensor:
        shift, log_scale = self.net(x)
        self._known = x, log_scale
        return shift + log_scale.exp() * x

    def _inverse(self, y: Tensor) -> Tensor:
        *batch, size = y.shape
        hidden = self.net.context.expand(*batch, -1)
        xs, log_scales = [], []
        for d in range(size):
            shift, log_scale = self.net.read(hidden, slice(d, None, size))
            xs.append((y[..., d : d + 1] - shift) * (-log_scale).exp())
            log_scales.append(log_scale)
            hidden = hidden + xs[-1] * self.net.inner[:, d]
        x = torch.cat(xs, -1)
        self._known = x, torch.cat(log_scales, -1)
        return x

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Σ_d log σ_d(x_<d), `[*batch]`."""
        known, log_scale = self._known
        if known is not x or log_scale is None:
            log_scale = self.net(x)[1]
        return log_scale.sum(-1)
