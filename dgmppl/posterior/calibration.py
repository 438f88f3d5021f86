"""What simulation-based calibration found, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from dgmppl.posterior.rank_tests import MEANINGS, rank_tests

__all__ = ["Calibration", "Departure"]

LEVEL = 0.01  # how likely a calibrated guide is to be called uncalibrated, over all its units
MOST_NAMES = 8


@dataclass(frozen=True)
class Departure:
    """How one unit's ranks depart most from uniform ones.

    Arguments:
        site: The latent site.
        unit: The unit, counted over the site's other plates and its event; `None` if it has one.
        kind: "low", "high", "narrow", "wide" or "misshapen".
        p_value: How likely so large a departure of this unit is by chance.
    """

    site: str
    unit: int | None
    kind: str
    p_value: float

    @property
    def name(self) -> str:
        """The unit's name."""
        return self.site if self.unit is None else f"{self.site}[{self.unit}]"

    def __str__(self) -> str:
        return f"{self.name} is {MEANINGS[self.kind]}, p = {self.p_value:.1g}"


@dataclass(frozen=True, eq=False)
class Calibration:
    """Ranks of true latents among a guide's draws: uniform if the guide is the posterior.

    Arguments:
        ranks: Site → how many of the draws lie below the true value, `[N, units]`; −1 where a mask
            hides the unit.
        num_samples: L, draws of the guide for each simulation.
    """

    ranks: dict[str, Tensor]
    num_samples: int

    @property
    def num_simulations(self) -> int:
        """N."""
        return len(next(iter(self.ranks.values())))

    @cached_property
    def departures(self) -> list[Departure]:
        """Every unit's largest departure, the least likely first."""
        found = []
        for site, ranks in self.ranks.items():
            for unit, column in enumerate(ranks.T):
                kind, p_value = rank_tests(column[column >= 0], self.num_samples)
                place = unit if ranks.shape[1] > 1 else None
                found.append(Departure(site, place, kind, p_value))
        return sorted(found, key=lambda departure: departure.p_value)

    @property
    def failures(self) -> list[Departure]:
        """The departures that are not chance: in all units together with probability 1 %."""
        number = len(self.departures)
        return [found for found in self.departures if found.p_value * number < LEVEL]

    @property
    def calibrated(self) -> bool:
        """Whether no unit departs from uniform ranks by more than chance."""
        return not self.failures

    @property
    def verdict(self) -> str:
        """A few sentences."""
        units, failures = len(self.departures), self.failures
        where = f"over {self.num_simulations} simulations of {self.num_samples} draws"
        if not failures:
            least = min(1.0, units * self.departures[0].p_value)
            return f"Ranks of all {units} units are uniform {where} (p = {least:.2g})."
        shown = [str(failure) for failure in failures[:MOST_NAMES]]
        if len(failures) > MOST_NAMES:
            shown.append(f"and {len(failures) - MOST_NAMES} more")
        count = f"{len(failures)} of {units} {'unit' if units == 1 else 'units'}"
        return f"{count} not calibrated {where}: {'; '.join(shown)}."

    def __str__(self) -> str:
        return self.verdict
