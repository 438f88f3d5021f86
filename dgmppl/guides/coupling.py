"""The family of affine coupling flows."""

from __future__ import annotations

from dataclasses import dataclass

from pyro.distributions.transforms import AffineCoupling
from pyro.nn import ConditionalDenseNN
from torch import Tensor, nn
from torch.distributions import Transform

from dgmppl.guides.family import Family, at_least
from dgmppl.guides.flow import Flow, Layer, reverse
from dgmppl.guides.held import Held

__all__ = ["Coupling"]


class CouplingLayer(Layer):
    """Features → one half of z moved and scaled by what the other half and the features say."""

    def __init__(self, features: int, size: int, hidden_features: int):
        super().__init__()
        self.kept = size // 2
        moved = size - self.kept
        self.net = ConditionalDenseNN(self.kept, features, [hidden_features], [moved, moved])

    def forward(self, features: Tensor) -> Transform:
        """`[*batch, features]` → a bijection of `[*batch, size]`."""
        return AffineCoupling(self.kept, Held(self.net, context=features))


@dataclass(frozen=True)
class Coupling(Family):
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

    depth: int = 2
    hidden_features: int = 32

    def __post_init__(self) -> None:
        at_least("a depth", self.depth, 1, "Diagonal() where no flow is wanted")

    def head(self, features: int, size: int) -> nn.Module:
        """A network from features to a distribution; vectors need two coordinates."""
        at_least("a latent site with coordinates", size, 2, "Spline(), which needs only one")
        layers: list[Layer] = []
        for _ in range(self.depth):
            layers += [CouplingLayer(features, size, self.hidden_features), reverse(size)]
        return Flow(features, size, layers[:-1])
