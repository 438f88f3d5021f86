"""What comparing guides found, in numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rich.table import Table
from torch import Tensor

from dgmppl.posterior.diagnosis import TRUSTED, Diagnosis

__all__ = ["Comparison"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several guides on the same batch, the best first.

    Arguments:
        diagnoses: Name → what `diagnose` found.
        scores: Name → what the guides are ranked by, nats a datum, `[B]`: the bound (ELBO) where
            each datum has latents of its own, log p(xᵢ | x₋ᵢ) where all data share them.
        joint: Whether the latter.
    """

    diagnoses: Mapping[str, Diagnosis]
    scores: Mapping[str, Tensor]
    joint: bool

    @property
    def best(self) -> str:
        """The name of the first."""
        return next(iter(self.scores))

    def behind(self, name: str, other: str | None = None) -> tuple[float, float]:
        """How far a guide lies behind another (the best): mean over the data and standard error.

        Differences are taken datum by datum, so that what all guides find hard does not count.

        Returns:
            Nats a datum; the error is of a mean over the population that the data come from.
        """
        gap = (self.scores[other or self.best] - self.scores[name]).double()
        error = float(gap.std()) / math.sqrt(len(gap)) if len(gap) > 1 else math.nan
        return float(gap.mean()), error

    def table(self) -> Table:
        """A row a guide."""
        score = "log p(xᵢ|x₋ᵢ)" if self.joint else "ELBO"
        number = len(self.scores[self.best])
        table = Table(title=f"Guides on {number} data, nats a datum", title_justify="left")
        table.add_column("guide")
        headings = ("behind", "± s.e.", "log p(x)", f"k-hat < {TRUSTED}", "ESS")
        for heading in (score, *headings):
            table.add_column(heading, justify="right")
        for name, found in self.diagnoses.items():
            gap, error = self.behind(name)
            figures = [f"{float(self.scores[name].mean()):.2f}", f"{gap:.2f}", f"{error:.2f}"]
            log_evidence = float(found.bound.mean()) / (number if self.joint else 1)
            table.add_row(name, *figures, f"{log_evidence:.2f}", _trusted(found), _ess(found))
        return table

    @property
    def verdict(self) -> str:
        """A sentence."""
        score = "log p(xᵢ|x₋ᵢ)" if self.joint else "bound"
        names = list(self.scores)
        if len(names) == 1:
            return f"{self.best} is alone."
        gap, error = self.behind(names[1])
        clear = "clearly" if gap > 3 * error else "not clearly"
        return (
            f"{self.best} has the best {score}, {clear} better than {names[1]}: by "
            f"{gap:.2g} ± {error:.2g} nats a datum."
        )

    def __str__(self) -> str:
        return self.verdict


def _trusted(found: Diagnosis) -> str:
    """On how many data k-hat is small, or k-hat itself where there is one of all data."""
    known = found.k_hat[~found.k_hat.isnan()]
    if not len(known):
        return "—"
    if found.joint:
        return f"{float(known[0]):.2f}"
    return f"{100 * float((known < TRUSTED).double().mean()):.0f} %"


def _ess(found: Diagnosis) -> str:
    return f"{float(found.ess.median()):.0f} of {found.num_samples}"
