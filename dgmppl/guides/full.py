"""The Gaussian family of any covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from pyro.distributions import MultivariateNormal
from torch import Tensor, nn

from dgmppl.guides.family import Family

__all__ = ["Full"]


class FullHead(nn.Module):
    """Features → N(loc, L Lᵀ), loc, log diag L and L below its diagonal linear in the features."""

    def __init__(self, features: int, size: int):
        super().__init__()
        below = size * (size - 1) // 2
        self.sizes = [size, size, below]
        self.linear = nn.Linear(features, 2 * size + below)

    def forward(self, features: Tensor) -> Any:
        """`[*batch, features]` → a distribution of event shape `[size]`."""
        loc, log_diagonal, below = self.linear(features).split(self.sizes, -1)
        rows, columns = torch.tril_indices(self.sizes[0], self.sizes[0], -1, device=loc.device)
        scale_tril = torch.diag_embed(log_diagonal.exp())
        scale_tril[..., rows, columns] = below
        return MultivariateNormal(loc, scale_tril=scale_tril)


@dataclass(frozen=True)
class Full(Family):
    """A Gaussian whose coordinates may depend on each other: q(z|x) = N(μ(x), L(x) L(x)ᵀ).

    L is lower triangular with a positive diagonal: D (D + 3) / 2 numbers a datum.

    References:
        Variational Inference with Normalizing Flows, Danilo Rezende and Shakir Mohamed, 2015.
        https://arxiv.org/abs/1505.05770

    Example:
        >>> import torch
        >>> Full().head(features=4, size=2)(torch.zeros(3, 4)).scale_tril.shape
        torch.Size([3, 2, 2])
    """

    def head(self, features: int, size: int) -> nn.Module:
        """A network from features to a distribution."""
        return FullHead(features, size)
