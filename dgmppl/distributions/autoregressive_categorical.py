"""Sequences of categories, each given those before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions import Categorical, TorchDistribution
from torch import Tensor
from torch.distributions import constraints

__all__ = ["AutoregressiveCategorical"]


class AutoregressiveCategorical(TorchDistribution):
    """p(c) = Π_i p(c_i | c_1, …, c_{i−1}), every factor given by one network.

    A score takes one pass of the network, a draw one pass for each position.

    Arguments:
        net: Categories `[*batch, L]` → logits `[*batch, L, K]`. Those of position i may depend only
            on categories before i; categories must be taken as integers.
        length: L, how many positions.
        num_categories: K.
        batch_shape: Shape of independent copies.

    Example:
        >>> def repeats(c):  # the first is any of three, the others are copies of the one before
        ...     previous = c.roll(1, -1)[..., None] == torch.arange(3)
        ...     return torch.where(torch.arange(4)[:, None] > 0, 50.0 * previous, 0.0)
        >>> sequences = AutoregressiveCategorical(repeats, 4, 3)
        >>> c = sequences.sample()
        >>> bool((c == c[0]).all()), round(sequences.log_prob(c).exp().item(), 3)
        (True, 0.333)
    """

    arg_constraints: dict = {}  # noqa: RUF012 - the name and type are torch's protocol

    def __init__(
        self,
        net: Callable[[Tensor], Tensor],
        length: int,
        num_categories: int,
        batch_shape: Any = torch.Size(),
        validate_args: Any = None,
    ):
        self.net, self.length, self.num_categories = net, length, num_categories
        super().__init__(torch.Size(batch_shape), torch.Size([length]), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        """Categories 0, …, K − 1 at every position."""
        return constraints.independent(constraints.integer_interval(0, self.num_categories - 1), 1)

    def expand(self, batch_shape: Any, _instance: Any = None) -> AutoregressiveCategorical:
        """Independent copies of shape `batch_shape`."""
        return AutoregressiveCategorical(
            self.net, self.length, self.num_categories, batch_shape, validate_args=False
        )

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Sequences, one position after the other, `sample_shape + batch_shape + [L]`."""
        drawn = torch.zeros(self._extended_shape(sample_shape), dtype=torch.long)
        for i in range(self.length):
            drawn[..., i] = Categorical(logits=self.net(drawn)[..., i, :]).sample()
        return drawn

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability of sequences `[*batch, L]`, `[*batch]`."""
        if self._validate_args:
            self._validate_sample(value)
        return Categorical(logits=self.net(value.long())).log_prob(value).sum(-1)
