"""The planar map with an inverse, so that it can score values that it did not draw."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Transform, constraints

from dgmppl.guides.tanh_root import tanh_root

__all__ = ["InvertiblePlanar", "rising"]

STEEPEST = 0.999  # of the falling slopes


class InvertiblePlanar(Transform):
    """Maps x ↦ x + û tanh(wᵀx + b), one after the other; wᵀû > −1 makes each a bijection.

    Along w a map is the scalar function a ↦ a + (wᵀû) tanh a of a = wᵀx + b, which rises; the
    inverse finds a, and x = y − û tanh a.

    Arguments:
        u: Where L maps move to, `[*batch, L, D]`; û is u made shorter.
        w: The normals of their planes, `[*batch, L, D]`.
        b: The planes' places, `[*batch, L]`.

    References:
        Variational Inference with Normalizing Flows, Danilo Rezende and Shakir Mohamed, 2015,
        appendix A.1. https://arxiv.org/abs/1505.05770

    Example:
        >>> planar = InvertiblePlanar(torch.ones(1, 2), torch.tensor([[1.0, -2.0]]), torch.zeros(1))
        >>> x = torch.tensor([0.5, 0.3])
        >>> torch.allclose(planar.inv(planar(x).clone()), x, atol=1e-6)
        True
    """

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, u: Tensor, w: Tensor, b: Tensor):
        super().__init__(cache_size=1)
        u, self.slope = rising(u, w)
        self.maps = [*zip(u.unbind(-2), w.unbind(-2), b.unbind(-1), strict=True)]
        self._known: tuple[Tensor | None, Tensor | None] = (None, None)  # an x, every map's tanh

    def _call(self, x: Tensor) -> Tensor:
        y, acts = x, []
        for u, w, b in self.maps:
            acts.append(((w * y).sum(-1) + b).tanh())
            y = y + u * acts[-1].unsqueeze(-1)
        self._known = x, torch.stack(acts, -1)
        return y

    def _inverse(self, y: Tensor) -> Tensor:
        x, acts = y, []
        for (u, w, b), slope in zip(self.maps[::-1], self.slope.unbind(-1)[::-1], strict=True):
            acts.append(tanh_root(slope, (w * x).sum(-1) + b).tanh())
            x = x - u * acts[-1].unsqueeze(-1)
        self._known = x, torch.stack(acts[::-1], -1)
        return x

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Σ_l log(1 + wᵀû (1 − tanh²(wᵀx + b))), `[*batch]`."""
        if self._known[0] is not x:
            self._call(x)
        act = self._known[1]
        assert act is not None
        return (self.slope * (1 - act.square())).log1p().sum(-1)


def rising(u: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """A vector û for which a ↦ a + (wᵀû) tanh a rises: u over a smooth maximum of 1 and −wᵀu.

    Every û with wᵀû > −0.999 is that of one u. The paper moves u along w instead, by an amount over
    ‖w‖ that jumps where w passes through zero; here u and w may be as short as they like.

    Arguments:
        u: `[*batch, D]`.
        w: `[*batch, D]`.

    Returns:
        û and its slope wᵀû > −0.999, `[*batch]`.

    Example:
        >>> rising(torch.tensor([-5.0, 1.0]), torch.tensor([1.0, 0.0]))
        (tensor([-0.9954,  0.1991]), tensor(-0.9954))
    """
    along = (w * u).sum(-1)
    shrink = STEEPEST / (1 + F.softplus(-along - 1))
    return shrink.unsqueeze(-1) * u, shrink * along
