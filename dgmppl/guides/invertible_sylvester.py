"""The Sylvester map with an inverse, so that it can score values that it did not draw."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.distributions import Transform, constraints

from dgmppl.guides.basis import Columns
from dgmppl.guides.tanh_root import triangular_tanh_root

__all__ = ["InvertibleSylvester"]


class InvertibleSylvester(Transform):
    """Maps x ↦ x + Q R tanh(R̃ Qᵀx + b), one after the other, with R_ii R̃_ii > −1.

    R and R̃ are upper triangular, so by Sylvester's identity a map's Jacobian has the determinant
    Π_i (1 + R_ii R̃_ii tanh′(…)_i). For the inverse, a = R̃ Qᵀx + b solves the triangular system
    a + R̃ R tanh a = R̃ Qᵀy + b, one coordinate after the other, and x = y − Q R tanh a.

    Arguments:
        columns: Q of L maps, M orthonormal columns of length D each.
        outer: R, `[*batch, L, M, M]`.
        inner: R̃, `[*batch, L, M, M]`.
        bias: b, `[*batch, L, M]`.

    References:
        Sylvester Normalizing Flows for Variational Inference, Rianne van den Berg, Leonard
        Hasenclever, Jakub Tomczak, Max Welling, 2018. https://arxiv.org/abs/1803.05649

    Example:
        >>> outer, inner = torch.tensor([[[[0.5, 3.0], [0.0, -0.5]]], [[[1.0, -1.0], [0.0, 0.9]]]])
        >>> columns = Columns(lambda z: z, lambda a: a)
        >>> sylvester = InvertibleSylvester([columns], outer, inner, torch.zeros(1, 2))
        >>> x = torch.tensor([0.5, 0.3])
        >>> torch.allclose(sylvester.inv(sylvester(x).clone()), x, atol=1e-6)
        True
    """

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, columns: Iterable[Columns], outer: Tensor, inner: Tensor, bias: Tensor):
        super().__init__(cache_size=1)
        self.slope = outer.diagonal(dim1=-2, dim2=-1) * inner.diagonal(dim1=-2, dim2=-1)
        triangles = outer.unbind(-3), inner.unbind(-3)
        self.maps = [*zip(columns, *triangles, bias.unbind(-2), strict=True)]
        self._known: tuple[Tensor | None, Tensor | None] = (None, None)  # an x, every map's tanh

    def _call(self, x: Tensor) -> Tensor:
        y, acts = x, []
        for columns, outer, inner, bias in self.maps:
            acts.append((_times(inner, columns.project(y)) + bias).tanh())
            y = y + columns.embed(_times(outer, acts[-1]))
        self._known = x, torch.stack(acts, -2)
        return y

    def _inverse(self, y: Tensor) -> Tensor:
        x, acts = y, []
        for columns, outer, inner, bias in self.maps[::-1]:
            target = _times(inner, columns.project(x)) + bias
            acts.append(triangular_tanh_root(inner @ outer, target).tanh())
            x = x - columns.embed(_times(outer, acts[-1]))
        self._known = x, torch.stack(acts[::-1], -2)
        return x

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Σ_li log(1 + R_ii R̃_ii (1 − tanh²(…)_i)), `[*batch]`."""
        if self._known[0] is not x:
            self._call(x)
        act = self._known[1]
        assert act is not None
        return (self.slope * (1 - act.square())).log1p().sum((-2, -1))


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return torch.einsum("...ij,...j->...i", matrix, vector)
