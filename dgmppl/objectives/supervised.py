"""Teach a guide the latent values that are known for some data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from dgmppl.binding import Binding
from dgmppl.data.some_labels import HIDDEN
from dgmppl.draw import Draw
from dgmppl.handlers import Replay
from dgmppl.objectives.objective import Loss, Objective, ObjectiveError, Phase, Progress
from dgmppl.program import guide_of
from dgmppl.traces import isolated, sample_sites, trace

__all__ = ["Supervised"]


@dataclass(frozen=True)
class Supervised(Objective):
    """log q(y|x) at known values y of one latent site: the guide as a classifier.

    The batch is a mapping whose entry of the site's name holds the values, and `hidden` where one
    is not known. The guide is run as if none were, and scored at those that are: their sum over
    the number of all data. Added to a bound, `ELBO() + 10 * Supervised("y")`, it keeps the guide's
    answers for unlabelled data from being learned from those alone.

    Arguments:
        site: The latent site, and the batch's entry.
        hidden: What stands for an unknown value.

    References:
        Semi-Supervised Learning with Deep Generative Models, Diederik Kingma et al., 2014,
        equation 9. https://arxiv.org/abs/1406.5298

    Example:
        >>> print(Supervised("y"))
        log q(y|x) at known y
    """

    site: str
    hidden: float = HIDDEN

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """One player: a bound's own, so that a sum with one takes a single step."""
        return (Phase(("model", "guide"), self.loss),)

    def check(self, binding: Binding) -> None:
        """The guide draws the site once a datum, after nothing that stops a gradient."""
        site = binding.sites.get(self.site)
        if site is None or not site.in_guide or site.point or not site.local:
            drawn = [s.name for s in binding.draws if s.local]
            raise ObjectiveError(
                f"Supervised needs a guide that draws the site '{self.site}' for each datum, and "
                f"it draws {drawn}. Try one of these, or observe known values in the model."
            )
        for name in binding.dependencies.guide.get(self.site, frozenset()) - {self.site}:
            if not binding.sites[name].reparameterised:
                raise ObjectiveError(
                    f"Supervised follows log q of site '{self.site}' through the draws it depends "
                    f"on; site '{name}' ({binding.sites[name].distribution}) passes no gradient. "
                    "Try drawing it afterwards."
                )

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus the score of the known values."""
        if not isinstance(x, Mapping) or self.site not in x:
            entries = list(x) if isinstance(x, Mapping) else type(x).__name__
            raise ObjectiveError(
                f"Supervised reads known values from the batch's entry '{self.site}', got "
                f"{entries}. Try load(…, labels=SomeLabels(100))."
            )
        known = x[self.site] != self.hidden
        values = torch.where(known, x[self.site], torch.zeros_like(x[self.site]))
        blind = {**x, self.site: torch.full_like(x[self.site], self.hidden)}
        guide = guide_of(binding.program)
        assert guide is not None
        with isolated(binding.program):
            sites = sample_sites(trace(guide, blind, handlers=(Replay({self.site: values}),)))
            table = Draw(binding, {}, sites, sites, {}).log_prob(sites[self.site])
        score = torch.where(known, table, torch.zeros_like(table)).mean()
        return Loss(-score, score.detach(), {f"known_{self.site}": score.detach()})

    @property
    def formula(self) -> str:
        """The score."""
        return f"log q({self.site}|x) at known {self.site}"

    @property
    def latex(self) -> str:
        """The score."""
        return rf"\log q({self.site}|x)"
