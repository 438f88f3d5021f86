"""Give discrete sites one configuration after another, along the particles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from pyro.poutine.messenger import Messenger

__all__ = ["Configure"]


class Configure(Messenger):
    """Particle i takes configuration ⌊i / draws⌋ of the named sites, the last site fastest.

    It stands outside of `Particles`, which makes room for them.

    Arguments:
        counts: Site → how many values it has.
        dim: The particles' dimension, negative.
        start: The first particle of this run.
        number: How many particles this run has.
        draws: How many particles share a configuration.
    """

    def __init__(
        self, counts: Mapping[str, int], dim: int, start: int, number: int, draws: int = 1
    ):
        super().__init__()
        self.counts, self.dim = counts, dim
        self.configuration = torch.arange(start, start + number) // draws

    def _pyro_sample(self, msg: Any) -> None:
        name, fn = msg["name"], msg["fn"]
        if name not in self.counts or msg["done"] or msg["is_observed"]:
            return
        later = list(self.counts)[list(self.counts).index(name) + 1 :]
        faster = math.prod(self.counts[other] for other in later)
        index = self.configuration // faster % self.counts[name]
        values = fn.enumerate_support(expand=False).flatten(0, -1 - fn.event_dim)
        own = values[index.to(values.device)]  # [K, *event]
        if len(index) > 1:
            own = own.reshape(-1, *(1,) * (-self.dim - 1), *fn.event_shape)
        else:
            own = own[0]
        msg["value"], msg["done"] = own.expand(fn.batch_shape + fn.event_shape), True
