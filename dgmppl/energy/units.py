"""Layers of units for programs that are written as an energy."""

from __future__ import annotations

from dataclasses import dataclass

import pyro.distributions as dist
import torch

__all__ = ["Binary"]


@dataclass(frozen=True)
class Binary:
    """A layer of 0/1 units with the counting measure as base.

    Arguments:
        size: Number of units.

    Example:
        >>> Binary(3).base_measure().sample().shape
        torch.Size([3])
    """

    size: int

    def base_measure(self) -> dist.Distribution:
        """Draws fair coins (initial states) and adds nothing to the log-density, shape `[size]`."""
        return dist.Bernoulli(logits=torch.zeros(self.size)).to_event(1).mask(False)
