"""The family of Sylvester flows."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.distributions import Transform

from dgmppl.guides.basis import Basis, Orthogonal
from dgmppl.guides.family import Family, at_least
from dgmppl.guides.flow import Flow, Layer, gentle
from dgmppl.guides.invertible_sylvester import InvertibleSylvester

__all__ = ["Sylvester"]


class SylvesterLayer(Layer):
    """Features → Sylvester maps, all linear in the features but for tanh on both diagonals.

    So their products stay above −1 and every map has an inverse. One matrix a map gives R above its
    diagonal and R̃ below. At first R is small, R̃'s diagonal is not.
    """

    def __init__(self, features: int, size: int, depth: int, basis: Basis):
        super().__init__()
        self.bases = basis.network(features, size, depth)
        self.columns = basis.number(size)
        each = depth * self.columns
        self.sizes = [each * self.columns, each, each]
        self.linear = gentle(nn.Linear(features, sum(self.sizes)))
        with torch.no_grad():
            self.linear.bias[-2 * each : -each] += 1.0

    def forward(self, features: Tensor) -> Transform:
        """`[*batch, features]` → a bijection of `[*batch, size]`."""
        both, diagonal, bias = self.linear(features).split(self.sizes, -1)
        diagonal, bias = (t.unflatten(-1, (-1, self.columns)) for t in (diagonal, bias))
        both = both.unflatten(-1, (-1, self.columns, self.columns))
        outer = both.triu(1) + torch.diag_embed(both.diagonal(dim1=-2, dim2=-1).tanh())
        inner = both.mT.triu(1) + torch.diag_embed(diagonal.tanh())
        return InvertibleSylvester(self.bases(features), outer, inner, bias)


@dataclass(frozen=True)
class Sylvester(Family):
    """A Gaussian sent through maps z ↦ z + Q R tanh(R̃ Qᵀz + b), all amortised.

    Each map is M planar ones at once, M the number of Q's orthonormal columns; R and R̃ are upper
    triangular. Values drawn elsewhere are scored by a numerical inverse in M steps a map.

    Arguments:
        depth: Number of maps.
        basis: How Q is made: `Orthogonal`, `Reflected` or `Triangular`.

    References:
        Sylvester Normalizing Flows for Variational Inference, Rianne van den Berg, Leonard
        Hasenclever, Jakub Tomczak, Max Welling, 2018. https://arxiv.org/abs/1803.05649

    Example:
        >>> import torch
        >>> Sylvester(depth=2).head(features=4, size=3)(torch.zeros(5, 4)).rsample().shape
        torch.Size([5, 3])
    """

    depth: int = 4
    basis: Basis = field(default_factory=Orthogonal)

    def __post_init__(self) -> None:
        at_least("a depth", self.depth, 1, "Diagonal() where no flow is wanted")

    def head(self, features: int, size: int) -> nn.Module:
        """A network from features to a distribution."""
        return Flow(features, size, [SylvesterLayer(features, size, self.depth, self.basis)])
