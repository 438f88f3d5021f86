"""Give latent sites the mean of their distribution in place of a draw."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor

__all__ = ["AtMeans", "mean_of"]


class AtMeans(Messenger):
    """Sets named unobserved sites to their mean, where there is one; the others are drawn.

    Arguments:
        names: The sites.

    Attributes:
        drawn: The named sites that had no mean, or that take discrete values.
    """

    def __init__(self, names: Collection[str]):
        super().__init__()
        self.names = names
        self.drawn: set[str] = set()

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] not in self.names or msg["is_observed"] or msg["value"] is not None:
            return
        mean = mean_of(msg["fn"])
        if mean is None:
            self.drawn.add(msg["name"])
        else:
            msg["value"], msg["done"] = mean, True


def mean_of(fn: Any) -> Tensor | None:
    """The mean of a continuous distribution, `batch_shape + event_shape`; `None` where it has none.

    Example:
        >>> from pyro.distributions import Bernoulli, Normal
        >>> mean_of(Normal(torch.zeros(2), 1.0)), mean_of(Bernoulli(0.5))
        (tensor([0., 0.]), None)
    """
    try:
        mean = None if fn.support.is_discrete else fn.mean
    except (NotImplementedError, AttributeError):
        return None
    if not isinstance(mean, Tensor) or not torch.isfinite(mean).all():
        return None
    return mean.expand(fn.batch_shape + fn.event_shape)
