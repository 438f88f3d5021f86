"""Exact maximum likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dgmppl.binding import Binding, ProgramError
from dgmppl.enumeration import check_enumerable, enumerate_latents
from dgmppl.objectives.objective import (
    Loss,
    Objective,
    ObjectiveError,
    Phase,
    Progress,
    refuse_undensified,
)

__all__ = ["MaximumLikelihood", "check_exact"]


@dataclass(frozen=True)
class MaximumLikelihood(Objective):
    """log p(x), for programs whose latent variables are none, or few and discrete (summed over).

    Example:
        >>> print(MaximumLikelihood())
        log p(x)
    """

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """One player: the model."""
        return (Phase(("model",), self.loss),)

    def check(self, binding: Binding) -> None:
        """The likelihood is tractable."""
        check_exact(binding, type(self).__name__)

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus the mean log-likelihood a datum."""
        table = enumerate_latents(binding, x)
        value: Tensor = table.mean(table.log_evidence, progress.size)
        alone = binding.observed if len(binding.observed) == 1 else ()
        return Loss(-value, value.detach(), {s.name: value.detach() for s in alone})

    @property
    def formula(self) -> str:
        """The log-likelihood."""
        return "log p(x)"

    @property
    def latex(self) -> str:
        """The log-likelihood."""
        return r"\log p(x)"


def check_exact(binding: Binding, name: str) -> None:
    """Refuses programs whose log p(x) has no tractable sum."""
    refuse_undensified(binding, name)
    try:
        check_enumerable(binding)
    except ProgramError as error:
        raise ObjectiveError(f"{name} needs a tractable log p(x). {error}") from error
