"""Amplitudes of a waveform, from categories that are finer where it is quiet."""

from __future__ import annotations

import math
from typing import Any

import torch
from pyro.distributions import Categorical, TorchDistribution
from torch import Tensor
from torch.distributions import constraints

__all__ = ["MuLawCategorical", "mu_law", "mu_law_levels"]


def mu_law(x: Tensor, levels: int = 256) -> Tensor:
    """The number of an amplitude's level, 0 to `levels` − 1.

    f(x) = sign(x) log(1 + μ|x|) / log(1 + μ) with μ = levels − 1, cut into equal parts.

    Arguments:
        x: Amplitudes in [−1, 1].
        levels: How many there are.

    References:
        ITU-T Recommendation G.711, 1988. https://www.itu.int/rec/T-REC-G.711

    Example:
        >>> mu_law(torch.tensor([-1.0, 0.0, 0.01, 1.0]))
        tensor([  0, 128, 157, 255])
    """
    mu = levels - 1
    f = x.sign() * (mu * x.abs()).log1p() / math.log1p(mu)
    return ((f + 1) / 2 * mu + 0.5).floor().long().clamp(0, mu)


def mu_law_levels(levels: int = 256) -> Tensor:
    """The amplitude of each level, `[levels]`.

    Example:
        >>> bool((mu_law(mu_law_levels(16), 16) == torch.arange(16)).all())
        True
    """
    mu = levels - 1
    f = 2 * torch.arange(levels) / mu - 1
    return f.sign() * (f.abs() * math.log1p(mu)).expm1() / mu


class MuLawCategorical(TorchDistribution):
    """p(level of x) by logits, for amplitudes x that are heard as the level they fall in.

    Draws are levels' amplitudes.

    Arguments:
        logits: `[*batch, levels]`.

    References:
        WaveNet: A Generative Model for Raw Audio, Aäron van den Oord et al., 2016.
        https://arxiv.org/abs/1609.03499

    Example:
        >>> MuLawCategorical(torch.zeros(256)).log_prob(torch.tensor(0.3)).exp()
        tensor(0.0039)
    """

    arg_constraints = {"logits": constraints.real_vector}  # noqa: RUF012
    support = constraints.interval(-1.0, 1.0)

    def __init__(self, logits: Tensor, validate_args: Any = None):
        self.logits = logits
        super().__init__(logits.shape[:-1], validate_args=validate_args)

    @property
    def levels(self) -> Tensor:
        """The amplitude of each level, `[levels]`."""
        return mu_law_levels(self.logits.shape[-1]).to(self.logits)

    @property
    def mean(self) -> Tensor:
        """The expected amplitude."""
        return self.logits.softmax(-1) @ self.levels

    def expand(self, batch_shape: Any, _instance: Any = None) -> MuLawCategorical:
        """The same distribution for a larger batch."""
        batch = torch.Size(batch_shape)
        return MuLawCategorical(self.logits.expand(*batch, -1), validate_args=False)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Amplitudes, `sample_shape + batch_shape`."""
        return self.levels[Categorical(logits=self.logits).sample(sample_shape)]

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability of the amplitudes' levels, `[*batch]`."""
        if self._validate_args:
            self._validate_sample(value)
        level = mu_law(value, self.logits.shape[-1])
        return Categorical(logits=self.logits).log_prob(level)
