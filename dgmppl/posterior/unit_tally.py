"""Averages over draws of what each latent unit does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from torch import Tensor

from dgmppl.posterior.unit_divergence import moments, unit_divergences
from dgmppl.weights import Weights

__all__ = ["UnitTally"]


@dataclass
class UnitTally:
    """Sums over draws, chunk by chunk.

    Arguments:
        held: Guide sites that all draws share; for them only divergences in closed form count.
        number: Draws so far.
        divergences: Site → Σ KL, nats.
        sums: Site → Σ E_q[z].
        squares: Site → Σ E_q[z]².
    """

    held: Collection[str] = ()
    number: int = 0
    divergences: dict[str, Tensor] = field(default_factory=dict)
    sums: dict[str, Tensor] = field(default_factory=dict)
    squares: dict[str, Tensor] = field(default_factory=dict)

    def add(self, tables: Weights, number: int) -> None:
        """Counts a chunk of draws."""
        each = number if len(tables.runs) == 1 else 1
        self.number += number
        local = [site for site in tables.binding.latents if site.local]
        numeric = [site for site in local if not site.support.startswith("IntegerInterval")]
        for draw in tables.runs:
            for name, kl in unit_divergences(draw, each, self.held).items():
                _add(self.divergences, name, kl.double().sum(0))
            for site in numeric:
                mean = moments(draw, site.name, each).double()
                _add(self.sums, site.name, mean.sum(0))
                _add(self.squares, site.name, mean.square().sum(0))

    def mean_divergences(self) -> dict[str, Tensor]:
        """Site → KL, `[B, units]`."""
        return {name: total / self.number for name, total in self.divergences.items()}

    def activity(self) -> dict[str, Tensor]:
        """Site → Cov_x(E_q[z]), `[units]`, freed of the draws' own variance."""
        result = {}
        for name, total in self.sums.items():
            mean = total / self.number
            noise = (self.squares[name] / self.number - mean.square()).clamp(min=0) / self.number
            if len(mean) > 1:
                result[name] = (mean.var(0) - noise.mean(0)).clamp(min=0)
        return result


def _add(sums: dict[str, Tensor], name: str, part: Tensor) -> None:
    sums[name] = sums[name] + part if name in sums else part
