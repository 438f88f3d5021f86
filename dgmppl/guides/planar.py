"""The family of planar flows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.distributions import Transform

from dgmppl.guides.family import Family, at_least
from dgmppl.guides.flow import Flow, Layer, gentle
from dgmppl.guides.invertible_planar import InvertiblePlanar

__all__ = ["Planar"]


class PlanarLayer(Layer):
    """Features → planar maps, their u, w and b linear in the features; u is small at first."""

    def __init__(self, features: int, size: int, depth: int):
        super().__init__()
        self.depth, self.sizes = depth, [depth * size, depth * size, depth]
        self.linear = gentle(nn.Linear(features, sum(self.sizes)), slice(depth * size))

    def forward(self, features: Tensor) -> Transform:
        """`[*batch, features]` → a bijection of `[*batch, size]`."""
        u, w, b = self.linear(features).split(self.sizes, -1)
        u, w = (t.unflatten(-1, (self.depth, -1)) for t in (u, w))
        return InvertiblePlanar(u, w, b)


@dataclass(frozen=True)
class Planar(Family):
    """A Gaussian sent through planar maps z ↦ z + u tanh(wᵀz + b), all amortised.

    Each map pulls apart or presses together the density along one plane. Values drawn elsewhere
    are scored by a numerical inverse.

    Arguments:
        depth: Number of maps.

    References:
        Variational Inference with Normalizing Flows, Danilo Rezende and Shakir Mohamed, 2015.
        https://arxiv.org/abs/1505.05770

    Example:
        >>> import torch
        >>> Planar(depth=2).head(features=4, size=3)(torch.zeros(5, 4)).rsample().shape
        torch.Size([5, 3])
    """

    depth: int = 4

    def __post_init__(self) -> None:
        at_least("a depth", self.depth, 1, "Diagonal() where no flow is wanted")

    def head(self, features: int, size: int) -> nn.Module:
        """A network from features to a distribution."""
        return Flow(features, size, [PlanarLayer(features, size, self.depth)])
