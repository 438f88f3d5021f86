"""The family of inverse autoregressive flows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.distributions import Transform

from dgmppl.guides.autoregressive_map import AutoregressiveMap
from dgmppl.guides.chain import Chain
from dgmppl.guides.conditioner import Conditioned, Conditioner
from dgmppl.guides.flow import Layer

__all__ = ["InverseAutoregressive"]


class Masked(Conditioner):
    """Features → a network whose outputs for a coordinate see only those before it (MADE)."""

    def __init__(self, features: int, size: int, hidden_features: int):
        super().__init__(features, size, size, hidden_features)
        self.first: Tensor
        self.second: Tensor
        place = torch.arange(size)
        seen = torch.linspace(0, size - 1, hidden_features).round()  # how many a unit sees
        self.register_buffer("first", (place < seen[:, None]).float(), persistent=False)
        second = (seen <= place[:, None]).float().repeat(2, 1)
        self.register_buffer("second", second, persistent=False)

    def forward(self, features: Tensor) -> Conditioned:
        """`[*batch, features]` → a function of `[*batch, size]`."""
        net = super().forward(features)
        return replace(net, inner=net.inner * self.first, outer=net.outer * self.second)


class AutoregressiveLayer(Layer):
    """Features → z ↦ μ(z, features) + σ(z, features) z with triangular Jacobian."""

    def __init__(self, features: int, size: int, hidden_features: int):
        super().__init__()
        self.net = Masked(features, size, hidden_features)

    def forward(self, features: Tensor) -> Transform:
        """`[*batch, features]` → a bijection of `[*batch, size]`."""
        return AutoregressiveMap(self.net(features))


@dataclass(frozen=True)
class InverseAutoregressive(Chain):
    """A Gaussian sent through maps z_d ↦ μ(z_<d, x) + σ(z_<d, x) z_d, the order turned in between.

    Draws and their scores take one pass of the networks; a value drawn elsewhere (as under
    `StickingTheLanding` and `DoublyReparameterized`) takes D small steps a map.

    Arguments:
        depth: Number of maps.
        hidden_features: Width of each map's one hidden layer.

    References:
        Improving Variational Inference with Inverse Autoregressive Flow, Diederik Kingma et al.,
        2016. https://arxiv.org/abs/1606.04934 MADE, Mathieu Germain et al., 2015.
        https://arxiv.org/abs/1502.03509

    Example:
        >>> import torch
        >>> InverseAutoregressive().head(features=4, size=3)(torch.zeros(5, 4)).rsample().shape
        torch.Size([5, 3])
    """

    layer = AutoregressiveLayer
