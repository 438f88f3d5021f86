"""The Sylvester map with an inverse, so that it can score values that it did not draw."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Transform, constraints

from dgmppl.guides.basis import Columns
from dgmppl.guides.tanh_root import triangular_tanh_root

__all__ = ["InvertibleSylvester"]


class InvertibleSylvester(Transform):
    """y = x + Q R tanh(R̃ Qᵀx + b), where R and R̃ are upper triangular and R_ii R̃_ii > −1.

    By Sylvester's identity its Jacobian has the determinant Π_i (1 + R_ii R̃_ii tanh′(…)_i). For the
    inverse, a = R̃ Qᵀx + b solves the triangular system a + R̃ R tanh a = R̃ Qᵀy + b, one coordinate
    after the other, and x = y − Q R tanh a.

    Arguments:
        columns: Q, M orthonormal columns of length D.
        outer: R, `[*batch, M, M]`.
        inner: R̃, `[*batch, M, M]`.
        bias: b, `[*batch, M]`.

    References:
        Sylvester Normalizing Flows for Variational Inference, Rianne van den Berg, Leonard
        Hasenclever, Jakub Tomczak, Max Welling, 2018. https://arxiv.org/abs/1803.05649

    Example:
        >>> columns = Columns(lambda z: z, lambda a: a)
        >>> outer, inner = torch.tensor([[[0.5, 3.0], [0.0, -0.5]], [[1.0, -1.0], [0.0, 0.9]]])
        >>> sylvester = InvertibleSylvester(columns, outer, inner, torch.zeros(2))
        >>> x = torch.tensor([0.5, 0.3])
        >>> torch.allclose(sylvester.inv(sylvester(x).clone()), x, atol=1e-6)
        True
    """

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, columns: Columns, outer: Tensor, inner: Tensor, bias: Tensor):
        super().__init__(cache_size=1)
        self.columns, self.outer, self.inner, self.bias = columns, outer, inner, bias
        self.slope = outer.diagonal(dim1=-2, dim2=-1) * inner.diagonal(dim1=-2, dim2=-1)
        self._known: tuple[Tensor | None, Tensor | None] = (None, None)  # an x, tanh of its planes

    def _planes(self, x: Tensor) -> Tensor:
        return _times(self.inner, self.columns.project(x)) + self.bias

    def _shift(self, act: Tensor) -> Tensor:
        return self.columns.embed(_times(self.outer, act))

    def _call(self, x: Tensor) -> Tensor:
        act = self._planes(x).tanh()
        self._known = x, act
        return x + self._shift(act)

    def _inverse(self, y: Tensor) -> Tensor:
        act = triangular_tanh_root(self.inner @ self.outer, self._planes(y)).tanh()
        x = y - self._shift(act)
        self._known = x, act
        return x

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Σ_i log(1 + R_ii R̃_ii (1 − tanh²(…)_i)), `[*batch]`."""
        known, act = self._known
        if known is not x or act is None:
            act = self._planes(x).tanh()
        return (self.slope * (1 - act.square())).log1p().sum(-1)


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return torch.einsum("...ij,...j->...i", matrix, vector)
