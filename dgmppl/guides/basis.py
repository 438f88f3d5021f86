"""Orthonormal columns that depend on features, for Sylvester flows: three ways to make them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from dgmppl.guides.family import at_least
from dgmppl.guides.flow import gentle
from dgmppl.guides.householder import HouseholderLayer

__all__ = ["Basis", "Columns", "Orthogonal", "Reflected", "Triangular"]


@dataclass(frozen=True)
class Columns:
    """A matrix Q with orthonormal columns, `[*batch, D, M]`, as what it does to vectors.

    Arguments:
        project: z ↦ Qᵀz, `[*batch, D]` → `[*batch, M]`.
        embed: a ↦ Q a, `[*batch, M]` → `[*batch, D]`.
    """

    project: Callable[[Tensor], Tensor]
    embed: Callable[[Tensor], Tensor]


class Basis(ABC):
    """A way to make orthonormal columns: a frozen dataclass of settings."""

    @abstractmethod
    def number(self, size: int) -> int:
        """M, how many columns of length `size` there are."""

    @abstractmethod
    def network(self, features: int, size: int, depth: int) -> nn.Module:
        """A network from features `[*batch, features]` to the `Columns` of some maps."""


@dataclass(frozen=True)
class Orthogonal(Basis):
    """Any columns, made orthonormal one after the other.

    Arguments:
        columns: M; where vectors are shorter, as many as they have coordinates.

    References:
        Shifted Cholesky QR for Computing the QR Factorization of Ill-Conditioned Matrices, Takeshi
        Fukaya et al., 2020. https://doi.org/10.1137/18M1218212

    Example:
        >>> (columns,) = Orthogonal(2).network(features=4, size=3, depth=1)(torch.ones(5, 4))
        >>> columns.embed(torch.tensor([3.0, 4.0])).norm(dim=-1).detach()
        tensor([5., 5., 5., 5., 5.])
    """

    columns: int = 8

    def __post_init__(self) -> None:
        at_least("a number of columns", self.columns, 1, "Diagonal() where no flow is wanted")

    def number(self, size: int) -> int:
        """How many columns there are."""
        return min(self.columns, size)

    def network(self, features: int, size: int, depth: int) -> nn.Module:
        """A network from features to columns."""
        return _Orthogonal(features, size, self.number(size), depth)


class _Orthogonal(nn.Module):
    def __init__(self, features: int, size: int, columns: int, depth: int):
        super().__init__()
        self.shape = (depth, size, columns)
        self.linear = gentle(nn.Linear(features, depth * size * columns))
        for bias in self.linear.bias.data.view(self.shape):
            nn.init.orthogonal_(bias)

    def forward(self, features: Tensor) -> list[Columns]:
        matrices = _orthonormal(self.linear(features).unflatten(-1, self.shape))
        return [
            Columns(
                partial(torch.einsum, "...dm,...d->...m", matrix),
                partial(torch.einsum, "...dm,...m->...d", matrix),
            )
            for matrix in matrices.unbind(-3)
        ]


def _orthonormal(matrix: Tensor) -> Tensor:
    """Orthonormal columns with the same spans, `[*batch, D, M]`: Gram–Schmidt by Cholesky."""
    matrix = _cholesky_qr(matrix, 8 * torch.finfo(matrix.dtype).eps)
    return _cholesky_qr(matrix, 0.0)  # what the first pass leaves is of the order of rounding


def _cholesky_qr(matrix: Tensor, ridge: float) -> Tensor:
    gram = matrix.mT @ matrix
    total = gram.diagonal(dim1=-1, dim2=-2).sum(-1)
    shift = ridge * torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    root = torch.linalg.cholesky_ex(gram + total[..., None, None] * shift).L
    return torch.linalg.solve_triangular(root.mT, matrix, upper=True, left=False)


@dataclass(frozen=True)
class Reflected(Basis):
    """All coordinates, turned by Householder reflections.

    Arguments:
        reflections: Their number.

    Example:
        >>> (columns,) = Reflected(2).network(features=4, size=3, depth=1)(torch.ones(5, 4))
        >>> columns.project(torch.tensor([0.0, 3.0, 4.0])).norm(dim=-1).detach()
        tensor([5., 5., 5., 5., 5.])
    """

    reflections: int = 4

    def __post_init__(self) -> None:
        cure = "Triangular() where none is wanted"
        at_least("a number of reflections", self.reflections, 1, cure)

    def number(self, size: int) -> int:
        """As many columns as coordinates."""
        return size

    def network(self, features: int, size: int, depth: int) -> nn.Module:
        """A network from features to columns."""
        layers = (HouseholderLayer(features, size, self.reflections) for _ in range(depth))
        return _Reflected(layers)


class _Reflected(nn.ModuleList):
    def forward(self, features: Tensor) -> list[Columns]:
        turns = [layer(features) for layer in self]
        return [Columns(turn.inv, turn) for turn in turns]


@dataclass(frozen=True)
class Triangular(Basis):
    """All coordinates as they are, in reversed order in every other map; no parameters.

    Example:
        >>> first, second = Triangular().network(features=4, size=2, depth=2)(torch.ones(5, 4))
        >>> second.project(torch.tensor([1.0, 2.0]))
        tensor([2., 1.])
    """

    def number(self, size: int) -> int:
        """As many columns as coordinates."""
        return size

    def network(self, features: int, size: int, depth: int) -> nn.Module:
        """A network from features to columns."""
        return _Alternating(depth)


class _Alternating(nn.Module):
    def __init__(self, depth: int):
        super().__init__()
        self.depth = depth

    def forward(self, features: Tensor) -> list[Columns]:
        flip = partial(torch.flip, dims=(-1,))
        same, turned = Columns(_same, _same), Columns(flip, flip)
        return [turned if index % 2 else same for index in range(self.depth)]


def _same(vector: Tensor) -> Tensor:
    return vector
