"""The Gaussian family whose covariance is diagonal plus a few directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyro.distributions import LowRankMultivariateNormal
from torch import Tensor, nn

from dgmppl.guides.family import Family, at_least

__all__ = ["LowRank"]


class LowRankHead(nn.Module):
    """Features → N(loc, diag(scale²) + F Fᵀ), all linear in the features but the log of scale."""

    def __init__(self, features: int, size: int, rank: int):
        super().__init__()
        self.sizes = [size, size, size * rank]
        self.linear = nn.Linear(features, sum(self.sizes))

    def forward(self, features: Tensor) -> Any:
        """`[*batch, features]` → a distribution of event shape `[size]`."""
        loc, log_scale, factor = self.linear(features).split(self.sizes, -1)
        factor = factor.unflatten(-1, (self.sizes[0], -1))
        return LowRankMultivariateNormal(loc, factor, (2 * log_scale).exp())


@dataclass(frozen=True)
class LowRank(Family):
    """A Gaussian with `rank` directions of dependence: q(z|x) = N(μ(x), diag σ²(x) + F(x) F(x)ᵀ).

    Arguments:
        rank: Number of columns of F.

    References:
        Stochastic Backpropagation and Approximate Inference in Deep Generative Models, Danilo
        Rezende, Shakir Mohamed, Daan Wierstra, 2014. https://arxiv.org/abs/1401.4082

    Example:
        >>> import torch
        >>> LowRank(1).head(features=4, size=2)(torch.zeros(3, 4)).cov_factor.shape
        torch.Size([3, 2, 1])
    """

    rank: int = 1

    def __post_init__(self) -> None:
        at_least("a rank", self.rank, 1, "Diagonal() where no dependence is wanted")

    def head(self, features: int, size: int) -> nn.Module:
        """A network from features to a distribution."""
        return LowRankHead(features, size, self.rank)
