"""The family of inverse autoregressive flows."""

from __future__ import annotations

from dataclasses import dataclass

from pyro.distributions.transforms import AffineAutoregressive
from pyro.nn import ConditionalAutoRegressiveNN
from torch import Tensor
from torch.distributions import Transform

from dgmppl.guides.chain import Chain
from dgmppl.guides.flow import Layer
from dgmppl.guides.held import Held

__all__ = ["InverseAutoregressive"]


class AutoregressiveLayer(Layer):
    """Features → z ↦ μ(z, features) + σ(z, features) z with triangular Jacobian."""

    def __init__(self, features: int, size: int, hidden_features: int):
        super().__init__()
        width = max(hidden_features, size)  # a masked layer is at least as wide as its input
        self.net = ConditionalAutoRegressiveNN(size, features, [width])

    def forward(self, features: Tensor) -> Transform:
        """`[*batch, features]` → a bijection of `[*batch, size]`."""
        return AffineAutoregressive(Held(self.net, context=features))


@dataclass(frozen=True)
class InverseAutoregressive(Chain):
    """A Gaussian sent through maps z_d ↦ μ(z_<d, x) + σ(z_<d, x) z_d, the order turned in between.

    Draws and their scores take one pass of the networks; a value drawn elsewhere (as under
    `StickingTheLanding` and `DoublyReparameterized`) takes D passes.

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
