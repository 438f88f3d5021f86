"""The family of mixtures of mean-field Gaussians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.guides.diagonal_mixture import DiagonalMixture
from dgmppl.guides.family import Family, at_least

__all__ = ["Mixture"]


class MixtureHead(nn.Module):
    """Features → Σ_c π_c N(loc_c, diag(scale_c²)), all linear in the features but for logarithms.

    The components' biases start apart, for two of one place would stay so.
    """

    def __init__(self, features: int, size: int, components: int):
        super().__init__()
        self.sizes = [components, components * size, components * size]
        self.linear = nn.Linear(features, sum(self.sizes))
        with torch.no_grad():
            self.linear.bias[components : components * (size + 1)].normal_()

    def forward(self, features: Tensor) -> Any:
        """`[*batch, features]` → a distribution of event shape `[size]`."""
        logits, locs, log_scales = self.linear(features).split(self.sizes, -1)
        locs = locs.unflatten(-1, (self.sizes[0], -1))
        return DiagonalMixture(logits, locs, log_scales.view_as(locs).exp())


@dataclass(frozen=True)
class Mixture(Family):
    """Several Gaussians: q(z|x) = Σ_c π_c(x) N(μ_c(x), diag σ²_c(x)), for posteriors of many modes.

    Its draws are reparameterised implicitly, not through the choice of a component, so that
    pathwise gradients reach the weights π, too. A draw takes a step a coordinate.

    Arguments:
        components: Number of Gaussians.

    References:
        Implicit Reparameterization Gradients, Michael Figurnov, Shakir Mohamed, Andriy Mnih, 2018.
        https://arxiv.org/abs/1805.08498

    Example:
        >>> import torch
        >>> q = Mixture(3).head(features=4, size=2)(torch.zeros(5, 4))
        >>> q.logits.shape, q.has_rsample
        (torch.Size([5, 3]), True)
    """

    components: int = 2

    def __post_init__(self) -> None:
        at_least("a number of components", self.components, 2, "Diagonal() for one Gaussian")

    def head(self, features: int, size: int) -> nn.Module:
        """A network from features to a distribution."""
        return MixtureHead(features, size, self.components)
