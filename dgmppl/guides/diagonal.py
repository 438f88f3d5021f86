"""The mean-field Gaussian family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyro.distributions import Normal
from torch import Tensor, nn

from dgmppl.guides.family import Family

__all__ = ["Diagonal"]


class DiagonalHead(nn.Module):
    """Features → N(loc, diag(scale²)), loc and log scale linear in the features."""

    def __init__(self, features: int, size: int):
        super().__init__()
        self.linear = nn.Linear(features, 2 * size)

    def forward(self, features: Tensor) -> Any:
        """`[*batch, features]` → a distribution of event shape `[size]`."""
        loc, log_scale = self.linear(features).chunk(2, -1)
        return Normal(loc, log_scale.exp()).to_event(1)


@dataclass(frozen=True)
class Diagonal(Family):
    """Independent Gaussians: q(z|x) = N(μ(x), diag σ²(x)).

    On a real-valued site its KL to a Gaussian prior is known in closed form.

    References:
        Auto-Encoding Variational Bayes, Diederik Kingma and Max Welling, 2013.
        https://arxiv.org/abs/1312.6114

    Example:
        >>> import torch
        >>> Diagonal().head(features=4, size=2)(torch.zeros(3, 4)).event_shape
        torch.Size([2])
    """

    def head(self, features: int, size: int) -> nn.Module:
        """A network from features to a distribution."""
        return DiagonalHead(features, size)
