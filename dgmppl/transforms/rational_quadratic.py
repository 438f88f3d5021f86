"""The rising spline of rational quadratic pieces."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Transform, constraints

__all__ = ["RationalQuadratic"]

Pair = tuple[Tensor, Tensor]
_X, _Y = 0, 1  # rows of knots; the third is slopes
LEAST = 1e-3  # of a slope, and of a piece's width and height over those of equal pieces


class RationalQuadratic(Transform):
    """Maps numbers x ↦ y, rising and smooth from knot to knot on [−B, B], the identity beyond.

    On a piece with slopes d₀ and d₁ at its ends and s in the mean, let ξ and η = 1 − ξ be the
    fractions of its width on the left and right of x, and τ, υ those of its height below and above
    y. Then

        τ : υ = ξ (s ξ + d₀ η) : η (s η + d₁ ξ),

    and ξ : η is the positive root of a quadratic equation. Written in fractions of both sides, both
    ways are sums of positive numbers: nothing cancels but in distances to knots.

    Knots broadcast against values. Where all three arguments are zero the spline is the identity.

    Arguments:
        widths: The logarithms of the K pieces' widths, up to a constant, `[*batch, K]`.
        heights: The same for their heights, `[*batch, K]`.
        slopes: At the inner knots, any real numbers, `[*batch, K − 1]`. At both ends dy/dx is 1.
        bound: B > 0.
        cache_size: 1 to remember the last x, y and log dy/dx, else 0.

    References:
        Neural Spline Flows, Conor Durkan et al., 2019. https://arxiv.org/abs/1906.04032

    Example:
        >>> spline = RationalQuadratic(torch.tensor([2.0, 0.0]), torch.zeros(2), torch.ones(1))
        >>> y = spline(torch.tensor([-3.5, 1.0, 2.9]))
        >>> spline.inv(y)
        tensor([-3.5000,  1.0000,  2.9000])
    """

    domain = constraints.real
    codomain = constraints.real
    bijective = True
    sign = 1

    def __init__(
        self,
        widths: Tensor,
        heights: Tensor,
        slopes: Tensor,
        bound: float = 3.0,
        cache_size: int = 0,
    ):
        super().__init__(cache_size)
        self.bound = bound
        knots = _places(widths, bound), _places(heights, bound), _slopes(slopes)
        self.knots = torch.stack(torch.broadcast_tensors(*knots), -2)  # [*batch, 3, K + 1]
        self._known: tuple[Tensor | None, Tensor | None] = (None, None)  # an x, its log dy/dx

    def with_cache(self, cache_size: int = 1) -> RationalQuadratic:
        """The same spline with a cache or without."""
        twin = copy.copy(self)
        Transform.__init__(twin, cache_size)
        twin._known = None, None
        return twin

    def forward_shape(self, shape: torch.Size) -> torch.Size:
        """The shape of y from that of x."""
        return torch.broadcast_shapes(shape, self.knots.shape[:-2])

    def inverse_shape(self, shape: torch.Size) -> torch.Size:
        """The shape of x from that of y."""
        return self.forward_shape(shape)

    def _call(self, x: Tensor) -> Tensor:
        y, log_slope = self._across(x, _X)
        self._know(x, log_slope)
        return y

    def _inverse(self, y: Tensor) -> Tensor:
        x, log_slope = self._across(y, _Y)
        self._know(x, log_slope)
        return x

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log dy/dx, of the shape of y."""
        known, log_slope = self._known
        if known is not x or log_slope is None:
            log_slope = self._across(x, _X)[1]
        return log_slope

    def _know(self, x: Tensor, log_slope: Tensor) -> None:
        if self._cache_size:
            self._known = x, log_slope

    def _across(self, given: Tensor, row: int) -> Pair:
        """From x to y or from y to x, and log dy/dx there."""
        pieces, inner = self._pieces(given, row), given.clamp(-self.bound, self.bound)
        found, log_slope = pieces.up(inner) if row == _X else pieces.down(inner)
        inside = given.abs() < self.bound
        return torch.where(inside, found, given), torch.where(inside, log_slope, 0.0)

    def _pieces(self, given: Tensor, row: int) -> _Pieces:
        """Where numbers lie, by counting the inner knots at or below each."""
        inner = self.knots[..., row, 1:-1]
        lower = (given.unsqueeze(-1) >= inner).sum(-1, keepdim=True)  # [*batch, 1]
        ends = torch.cat([lower, lower + 1], -1).unsqueeze(-2)
        knots = self.knots.expand(*lower.shape[:-1], 3, -1)
        x, y, slope = knots.gather(-1, ends.expand(*knots.shape[:-1], 2)).unbind(-2)
        return _Pieces(_pair(x), _pair(y), _pair(slope))


@dataclass(frozen=True)
class _Pieces:
    """A piece for each number of a tensor: the lower and the upper knot, and the slopes there."""

    x: Pair
    y: Pair
    slope: Pair

    def up(self, x: Tensor) -> Pair:
        """The y of an x, and log dy/dx."""
        left, right = _shares(x, *self.x)
        below, above = self._rises(left, right)
        y = (self.y[0] * above + self.y[1] * below) / (below + above)
        return y, self._log_slope(left, right)

    def down(self, y: Tensor) -> Pair:
        """The x of a y, and log dy/dx."""
        below, above = _shares(y, *self.y)
        # r = left/right solves mean·above·r² + middle·r = mean·below; of the two forms of its
        # positive root each is taken where it adds.
        twice, middle = 2 * self._mean, self.slope[0] * above - self.slope[1] * below
        ahead = middle >= 0
        root = (middle.square() + twice.square() * below * above).sqrt()
        root = root + torch.where(ahead, middle, -middle)
        left = torch.where(ahead, twice * below, root)
        right = torch.where(ahead, root, twice * above)
        left, right = left / (left + right), right / (left + right)
        return self.x[0] * right + self.x[1] * left, self._log_slope(left, right)

    @cached_property
    def _mean(self) -> Tensor:
        return (self.y[1] - self.y[0]) / (self.x[1] - self.x[0])

    def _rises(self, left: Tensor, right: Tensor) -> Pair:
        """What the heights below and above y are proportional to."""
        below = left * (self._mean * left + self.slope[0] * right)
        return below, right * (self._mean * right + self.slope[1] * left)

    def _log_slope(self, left: Tensor, right: Tensor) -> Tensor:
        below, above = self._rises(left, right)
        ends = self.slope[1] * left.square() + self.slope[0] * right.square()
        middle = 2 * self._mean * left * right
        return (ends + middle).log() - 2 * ((below + above) / self._mean).log()


def _shares(z: Tensor, lower: Tensor, upper: Tensor) -> Pair:
    """The fractions of an interval on both sides of a number."""
    return (z - lower) / (upper - lower), (upper - z) / (upper - lower)


def _pair(ends: Tensor) -> Pair:
    return ends[..., 0], ends[..., 1]


def _places(log_lengths: Tensor, bound: float) -> Tensor:
    """Knots from −bound to bound, `[*batch, K]` → `[*batch, K + 1]`."""
    pieces = log_lengths.shape[-1]
    lengths = LEAST / pieces + (1 - LEAST) * log_lengths.softmax(-1)
    inner = bound * (2 * lengths.cumsum(-1)[..., :-1] - 1)
    return F.pad(F.pad(inner, (1, 0), value=-bound), (0, 1), value=bound)


def _slopes(free: Tensor) -> Tensor:
    """Slopes at all knots, 1 for zero; `[*batch, K − 1]` → `[*batch, K + 1]`."""
    inner = LEAST + F.softplus(free + math.log(math.expm1(1 - LEAST)))
    return F.pad(inner, (1, 1), value=1.0)
