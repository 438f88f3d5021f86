"""What an objective is: settings, phases, checks and a formula."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from dgmppl.binding import Binding
from dgmppl.schedules import Clock
from dgmppl.sites import Kind

__all__ = [
    "Loss",
    "LossFunction",
    "Objective",
    "ObjectiveError",
    "Phase",
    "Progress",
    "refuse_undensified",
]


class ObjectiveError(ValueError):
    """An objective that a program cannot serve, with the reason and what would work."""


@dataclass(frozen=True)
class Progress:
    """Where learning stands.

    Arguments:
        epoch: Epochs done, with the fraction of the present one, for `setting_at`.
        size: N, the number of data of the whole set; `None` takes the batch as the set.
        memory: What an earlier phase of this step left for a later one.
        state: What the objective keeps from step to step, such as a baseline; `None` where a bound
            is only evaluated.
    """

    epoch: float | Clock = 0.0
    size: int | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    state: nn.Module | None = None

    def with_state(self, i: int) -> Progress:
        """With the i-th of several states alone."""
        if not isinstance(self.state, nn.ModuleList):
            return self
        part = self.state[i]
        return replace(self, state=part if len(part.state_dict()) else None)


@dataclass(frozen=True)
class Loss:
    """What a phase minimises, and what it reports.

    Arguments:
        surrogate: A scalar whose gradient is the estimate that moves the parameters.
        value: The bound itself, nats a datum (detached scalar); `None` in a phase that knows none.
        terms: Parts of the value by site, nats a datum (detached scalars).
    """

    surrogate: Tensor
    value: Tensor | None
    terms: dict[str, Tensor]


LossFunction = Callable[[Binding, Any, Progress], Loss]


@dataclass(frozen=True)
class Phase:
    """One player's move.

    Arguments:
        roles: Whose parameters move.
        loss: Function of binding, batch and progress.
        repeat: How many times in a row.
        gradient: Whether the parameters follow the surrogate's gradient; if not, `loss` itself
            moves them (a closed-form step).
        every: The move is made at each `every`-th step.
        project: Called with the parameters after each move, to put them back to where they may be.
    """

    roles: tuple[str, ...]
    loss: LossFunction
    repeat: int = 1
    gradient: bool = True
    every: int = 1
    project: Callable[[Sequence[nn.Parameter]], None] | None = None

    @property
    def name(self) -> str:
        """The roles, joined."""
        return "+".join(self.roles)


class Objective(ABC):
    """A learning principle. Subclasses are frozen dataclasses of settings."""

    #: 1 where learning raises the value, −1 where it lowers it.
    direction = 1.0
    #: What the value is.
    measure = "bound"

    @abstractmethod
    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """The moves of one step on this program, in order."""

    @abstractmethod
    def check(self, binding: Binding) -> None:
        """Raises ObjectiveError, with the cure, if the program cannot serve this objective."""

    def state(self, binding: Binding, x: Any) -> nn.Module | None:
        """A module for what the objective keeps from step to step; role "baseline" moves it."""
        return None

    def value(self, binding: Binding, x: Any, progress: Progress) -> Tensor:
        """The bound on a batch, nats a datum; moves nothing. By default the first phase's."""
        value = self.phases(binding)[0].loss(binding, x, progress).value
        assert value is not None, "an objective's first phase knows the bound"
        return value

    def explain(self, binding: Binding, state: nn.Module | None) -> str:
        """Where a loss that is not finite comes from, as far as what is kept can tell; or ""."""
        return ""

    @property
    @abstractmethod
    def formula(self) -> str:
        """What is maximised, as text."""

    @property
    @abstractmethod
    def latex(self) -> str:
        """What is maximised, as LaTeX without dollar signs."""

    def __str__(self) -> str:
        return self.formula

    def _repr_latex_(self) -> str:
        return f"${self.latex}$"

    def summands(self) -> tuple[tuple[float, Objective], ...]:
        """Pairs of weight and objective that it is the sum of."""
        return ((1.0, self),)

    def __add__(self, other: Objective) -> Objective:
        from dgmppl.objectives.sum import Sum

        if not isinstance(other, Objective):
            return NotImplemented
        return Sum((*self.summands(), *other.summands()))

    def __rmul__(self, weight: float) -> Objective:
        from dgmppl.objectives.sum import Sum

        return Sum(tuple((weight * w, part) for w, part in self.summands()))

    __mul__ = __rmul__


def refuse_undensified(binding: Binding, name: str, but: Collection[str] = ()) -> None:
    """Refuses sites without a normalised density under an objective that needs one.

    Arguments:
        binding: The program.
        name: Of the objective.
        but: Sites whose densities it does without.
    """
    for site in binding.sites.values():
        if site.name in but:
            continue
        if site.kind is Kind.IMPLICIT:
            raise ObjectiveError(
                f"{name} needs the density of site '{site.name}', which is implicit. Try an "
                "objective with a critic at that site, or a likelihood such as Normal around the "
                "draw."
            )
        if site.implicit_guide:
            raise ObjectiveError(
                f"{name} needs the guide's density at site '{site.name}', which is implicit there. "
                f"Try ELBO(ratio=Ratio('{site.name}', given=…)), or pyro.sample in the guide."
            )
        if site.kind is Kind.ENERGY:
            raise ObjectiveError(
                f"{name} needs a normalised density, and site '{site.name}' belongs to an energy "
                "whose log Z is unknown. Try a contrastive objective."
            )
