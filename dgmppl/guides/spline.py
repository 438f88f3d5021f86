"""The family of Gaussians warped coordinate by coordinate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from pyro.distributions import Normal, TransformedDistribution
from pyro.distributions.transforms import AffineTransform
from torch import Tensor, nn

from dgmppl.guides.family import Family, at_least
from dgmppl.guides.flow import gentle
from dgmppl.transforms import RationalQuadratic

__all__ = ["Spline"]


class SplineHead(nn.Module):
    """Features → loc + scale · spline(ε), the spline's knots and slopes linear in the features."""

    def __init__(self, features: int, size: int, bins: int, bound: float):
        super().__init__()
        self.size, self.bound = size, bound
        self.sizes = [bins, bins, bins - 1]
        self.place = nn.Linear(features, 2 * size)
        self.shape = gentle(nn.Linear(features, size * sum(self.sizes)))

    def forward(self, features: Tensor) -> Any:
        """`[*batch, features]` → a distribution of event shape `[size]`."""
        loc, log_scale = self.place(features).chunk(2, -1)
        shape = self.shape(features).unflatten(-1, (self.size, -1))
        widths, heights, slopes = shape.split(self.sizes, -1)
        noise = Normal(torch.zeros_like(loc), 1.0).to_event(1)
        place = AffineTransform(loc, log_scale.exp(), event_dim=1, cache_size=1)
        spline = RationalQuadratic(widths, heights, slopes, self.bound, cache_size=1)
        return TransformedDistribution(noise, [spline, place])


@dataclass(frozen=True)
class Spline(Family):
    """Independent coordinates, each of a density as skew or many-moded as the bins allow.

    A standard Gaussian goes through a rising spline of rational quadratic pieces, then through a
    scale and a shift, all amortised.

    Arguments:
        bins: Number of the spline's pieces.
        bound: The spline acts on [−bound, bound]; beyond, the Gaussian's tails are left as
            they are.

    References:
        Neural Spline Flows, Conor Durkan et al., 2019. https://arxiv.org/abs/1906.04032

    Example:
        >>> import torch
        >>> Spline().head(features=4, size=3)(torch.zeros(5, 4)).rsample().shape
        torch.Size([5, 3])
    """

    bins: int = 8
    bound: float = 3.0

    def __post_init__(self) -> None:
        at_least("a number of bins", self.bins, 2, "Diagonal() where no flow is wanted")

    def head(self, features: int, size: int) -> nn.Module:
        """A network from features to a distribution."""
        return SplineHead(features, size, self.bins, self.bound)
