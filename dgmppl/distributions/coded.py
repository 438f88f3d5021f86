"""A distribution of indices, seen as the codes that they stand for."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import constraints

from dgmppl.distributions.nearest import nearest

__all__ = ["Coded"]


class _Codes(constraints.Constraint):
    """Vectors that are among the codes `[K, D]`."""

    is_discrete = True

    def __init__(self, codes: Tensor, event_dim: int):
        self.codes, self.event_dim = codes, event_dim

    def check(self, value: Tensor) -> Tensor:
        """Whether all vectors of an event are codes, `[*batch]`."""
        same = self.codes[nearest(value, self.codes)] == value
        return same.flatten(value.dim() - self.event_dim).all(-1)


class Coded(TorchDistribution):
    """Vectors of a codebook: z = e_k with k from a discrete distribution, p(z) = p(k).

    A vector that is not of the codebook has probability 0, and of two equal codes the first is
    meant. Probabilities pass gradients to the distribution of k, not to the codes.

    Arguments:
        base: The distribution of indices, event shape `positions`.
        codes: The codebook e, `[K, D]`.

    Example:
        >>> from pyro.distributions import Categorical
        >>> codes = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
        >>> prior = Coded(Categorical(torch.tensor([0.25, 0.75])), codes)
        >>> prior.log_prob(codes).exp(), prior.log_prob(torch.zeros(2)).exp()
        (tensor([0.2500, 0.7500]), tensor(0.))
    """

    arg_constraints: dict = {}  # noqa: RUF012 - the name and type are torch's protocol

    def __init__(self, base: Any, codes: Tensor, validate_args: Any = None):
        self.base, self.codes = base, codes
        event_shape = base.event_shape + codes.shape[-1:]
        super().__init__(base.batch_shape, event_shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True)
    def support(self) -> _Codes:
        """Events all of whose vectors are codes."""
        return _Codes(self.codes, len(self.event_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Coded:
        """The same distribution for a larger batch."""
        return Coded(self.base.expand(batch_shape), self.codes, validate_args=False)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Codes, `sample_shape + batch_shape + event_shape`."""
        return self.codes[self.base.sample(sample_shape)]

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability of the vectors' indices; −∞ where there is a vector without one."""
        log_prob = self.base.log_prob(nearest(value, self.codes))
        return torch.where(self.support.check(value), log_prob, -torch.inf)
