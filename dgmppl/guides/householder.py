"""The family of Householder flows."""

from __future__ import annotations

from dataclasses import dataclass

from pyro.distributions.transforms.householder import ConditionedHouseholder
from torch import Tensor, nn
from torch.distributions import Transform

from dgmppl.guides.family import Family, at_least
from dgmppl.guides.flow import Flow, Layer, gentle

__all__ = ["Householder"]


class HouseholderLayer(Layer):
    """Features → some reflections, their normals linear in the features, and at first nearly fixed.

    A fixed turn leaves what a mean-field Gaussian can say.
    """

    def __init__(self, features: int, size: int, number: int):
        super().__init__()
        self.number = number
        self.linear = gentle(nn.Linear(features, number * size))
        nn.init.normal_(self.linear.bias)

    def forward(self, features: Tensor) -> Transform:
        """`[*batch, features]` → a bijection of `[*batch, size]`."""
        return ConditionedHouseholder(self.linear(features).unflatten(-1, (self.number, -1)))


@dataclass(frozen=True)
class Householder(Family):
    """A mean-field Gaussian turned by reflections z ↦ z − 2 v vᵀz / ‖v‖², all amortised.

    The result is Gaussian; D reflections reach every covariance. Volumes are preserved.

    Arguments:
        number: Number of reflections.

    References:
        Improving Variational Auto-Encoders using Householder Flow, Jakub Tomczak and Max Welling,
        2016. https://arxiv.org/abs/1611.09630

    Example:
        >>> import torch
        >>> Householder(2).head(features=4, size=3)(torch.zeros(5, 4)).rsample().shape
        torch.Size([5, 3])
    """

    number: int = 1

    def __post_init__(self) -> None:
        at_least("a number of reflections", self.number, 1, "Diagonal() where none is wanted")

    def head(self, features: int, size: int) -> nn.Module:
        """A network from features to a distribution."""
        return Flow(features, size, [HouseholderLayer(features, size, self.number)])
