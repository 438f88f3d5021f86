"""The family of affine coupling flows."""

from __future__ import annotations

from dataclasses import dataclass

from pyro.distributions.transforms import AffineCoupling
from torch import Tensor
from torch.distributions import Transform

from dgmppl.guides.chain import Chain
from dgmppl.guides.conditioner import Conditioner
from dgmppl.guides.flow import Layer

__all__ = ["Coupling"]


class CouplingLayer(Layer):
    """Features → one half of z moved and scaled by what the other half and the features say."""

    def __init__(self, features: int, size: int, hidden_features: int):
        super().__init__()
        self.kept = size // 2
        self.net = Conditioner(features, self.kept, size - self.kept, hidden_features)

    def forward(self, features: Tensor) -> Transform:
        """`[*batch, features]` → a bijection of `[*batch, size]`."""
        return AffineCoupling(self.kept, self.net(features))


@dataclass(frozen=True)
class Coupling(Chain):
    """A Gaussian sent through maps that keep one half of z and scale and move the other.

    Draws and scores of any values take one pass of the networks each.

    Arguments:
        depth: Number of maps; with fewer than two, half of the coordinates stay Gaussian.
        hidden_features: Width of each map's one hidden layer.

    References:
        Density estimation using Real NVP, Laurent Dinh, Jascha Sohl-Dickstein, Samy Bengio, 2016.
        https://arxiv.org/abs/1605.08803

    Example:
        >>> import torch
        >>> Coupling().head(features=4, size=3)(torch.zeros(5, 4)).rsample().shape
        torch.Size([5, 3])
    """

    layer = CouplingLayer
