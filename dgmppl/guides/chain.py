"""Families that send a Gaussian through a chain of maps with networks of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from dgmppl.guides.family import Family, at_least
from dgmppl.guides.flow import Flow, Layer, reverse

__all__ = ["Chain"]


@dataclass(frozen=True)
class Chain(Family):
    """A Gaussian sent through maps of one kind, the order of coordinates turned in between.

    Arguments:
        depth: Number of maps.
        hidden_features: Width of each map's one hidden layer.
    """

    depth: int = 2
    hidden_features: int = 32

    #: Makes a map from numbers of features, coordinates and hidden units.
    layer: ClassVar[type[Layer]]

    def __post_init__(self) -> None:
        at_least("a depth", self.depth, 1, "Diagonal() where no flow is wanted")

    def head(self, features: int, size: int) -> nn.Module:
        """A network from features to a distribution; vectors need two coordinates."""
        at_least("a latent site with coordinates", size, 2, "Spline(), which needs only one")
        layers: list[Layer] = []
        for _ in range(self.depth):
            layers += [self.layer(features, size, self.hidden_features), reverse(size)]
        return Flow(features, size, layers[:-1])
