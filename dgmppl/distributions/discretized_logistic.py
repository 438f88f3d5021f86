"""Grey levels from a logistic distribution that is cut into bins."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.utils import broadcast_all

__all__ = ["DiscretizedLogistic"]


class _Levels(constraints.Constraint):
    """Equidistant numbers from 0 to 1."""

    is_discrete = True

    def __init__(self, levels: int):
        self.levels = levels

    def check(self, value: Tensor) -> Tensor:
        """Whether each number is a level, but for rounding."""
        level = value * (self.levels - 1)
        near = (level - level.round()).abs() < 0.01
        return near & (value > -0.001) & (value < 1.001)


class DiscretizedLogistic(TorchDistribution):
    """P(k / (L − 1)) = the mass of a logistic distribution nearest to that level, k = 0, …, L − 1.

    The outer levels have the tails, so that probabilities sum to 1. They are products of sigmoids
    and no difference of them, so that gradients are right and finite however far a level is.
    Mixtures are `MixtureSameFamily(Categorical(…), DiscretizedLogistic(…))`.

    Arguments:
        loc: Centre, where pixels are in [0, 1].
        scale: Above 0.
        levels: L, how many levels there are.

    References:
        PixelCNN++, Tim Salimans, Andrej Karpathy, Xi Chen, Diederik Kingma, 2017.
        https://arxiv.org/abs/1701.05517

    Example:
        >>> pixel = DiscretizedLogistic(torch.tensor(0.3), torch.tensor(0.1), levels=5)
        >>> p = pixel.log_prob(torch.linspace(0, 1, 5)).exp()
        >>> p, round(p.sum().item(), 4)
        (tensor([0.1480, 0.5311, 0.2835, 0.0342, 0.0032]), 1.0)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012

    def __init__(self, loc: Any, scale: Any, levels: int = 256, validate_args: Any = None):
        self.loc, self.scale = broadcast_all(loc, scale)
        self.levels = levels
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """The levels."""
        return _Levels(self.levels)

    def expand(self, batch_shape: Any, _instance: Any = None) -> DiscretizedLogistic:
        """The same distribution for a larger batch."""
        loc, scale = self.loc.expand(batch_shape), self.scale.expand(batch_shape)
        return DiscretizedLogistic(loc, scale, self.levels, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Σ_k P(k) k / (L − 1)."""
        levels = torch.linspace(0, 1, self.levels, dtype=self.loc.dtype)
        levels = levels.reshape(-1, *[1] * self.loc.dim())
        return (self.log_prob(levels).exp() * levels).sum(0)

    @property
    def variance(self) -> Tensor:
        """Σ_k P(k) (k / (L − 1) − mean)²."""
        levels = torch.linspace(0, 1, self.levels, dtype=self.loc.dtype)
        levels = levels.reshape(-1, *[1] * self.loc.dim())
        return (self.log_prob(levels).exp() * (levels - self.mean).square()).sum(0)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Levels, `sample_shape + batch_shape`."""
        u = torch.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        u = u.to(self.loc.device).clamp(min=torch.finfo(u.dtype).tiny)
        drawn = (self.loc + self.scale * (u.log() - (-u).log1p())).clamp(0, 1)
        return (drawn * (self.levels - 1)).round() / (self.levels - 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability of levels, `[*batch]`."""
        if self._validate_args:
            self._validate_sample(value)
        width = 1 / (self.levels - 1)
        low, high = (value - width / 2 - self.loc), (value + width / 2 - self.loc)
        below, above = F.logsigmoid(high / self.scale), F.logsigmoid(-low / self.scale)
        # σ(b) − σ(a) = σ(b) σ(−a) (1 − exp(a − b))
        inside = below + above + (-(-width / self.scale).expm1()).log()
        first, last = value < width / 2, value > 1 - width / 2
        return torch.where(first, below, torch.where(last, above, inside))
