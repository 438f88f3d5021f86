"""What an objective is: settings, phases, checks and a formula."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
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
    "Sum",
    "refuse_undensified",
    "states",
    "with_state",
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

    def __add__(self, other: Objective) -> Sum:
        if not isinstance(other, Objective):
            return NotImplemented
        return Sum((*_parts(self), *_parts(other)))

    def __rmul__(self, weight: float) -> Sum:
        return Sum(tuple((weight * w, part) for w, part in _parts(self)))

    __mul__ = __rmul__


@dataclass(frozen=True)
class Sum(Objective):
    """A weighted sum of objectives; phases that move the same roles become one.

    Arguments:
        parts: Pairs of weight and objective.

    Example:
        >>> from dgmppl.objectives import ELBO, IWAE
        >>> print(ELBO() + 0.5 * IWAE(num_particles=5))
        E_q[log p(x,z) − log q(z|x)] + 0.5·E_q[log 1/5 Σ_k p(x,z_k)/q(z_k|x)]
    """

    parts: tuple[tuple[float, Objective], ...]

    @property
    def measure(self) -> str:  # type: ignore[override]
        """That of all parts, or just a value."""
        kinds = {part.measure for _, part in self.parts}
        return kinds.pop() if len(kinds) == 1 else "value"

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """The parts' phases, merged where players, repeats and kind agree."""
        merged: dict[Any, list[tuple[float, Phase]]] = {}
        for i, (weight, part) in enumerate(self.parts):
            for phase in part.phases(binding):
                players = tuple(role for role in phase.roles if role != "baseline")
                own = replace(phase, loss=with_state(i, phase.loss))
                key = (players, phase.repeat, phase.gradient, phase.every, phase.project)
                merged.setdefault(key, []).append((weight, own))
        return tuple(
            Phase(
                tuple(dict.fromkeys(role for _, phase in phases for role in phase.roles)),
                _weighted([(weight, phase.loss) for weight, phase in phases]),
                *settings,
            )
            for (_, *settings), phases in merged.items()
        )

    def state(self, binding: Binding, x: Any) -> nn.Module | None:
        """The parts' states, in order."""
        return states(binding, x, [part for _, part in self.parts])

    def value(self, binding: Binding, x: Any, progress: Progress) -> Tensor:
        """The weighted sum of the parts' values."""
        values = [weight * part.value(binding, x, progress) for weight, part in self.parts]
        return sum(values[1:], values[0])

    def check(self, binding: Binding) -> None:
        """Checks every part."""
        for _, part in self.parts:
            part.check(binding)

    @property
    def formula(self) -> str:
        """The parts' formulas with their weights."""
        return " + ".join(f"{_factor(w)}{part.formula}" for w, part in self.parts)

    @property
    def latex(self) -> str:
        """The parts' formulas with their weights."""
        return " + ".join(rf"{_factor(w)}{part.latex}" for w, part in self.parts)


def _parts(objective: Objective) -> tuple[tuple[float, Objective], ...]:
    return objective.parts if isinstance(objective, Sum) else ((1.0, objective),)


def states(binding: Binding, x: Any, parts: Sequence[Objective]) -> nn.Module | None:
    """The states of several objectives, an empty module where one keeps nothing."""
    kept = [part.state(binding, x) for part in parts]
    return nn.ModuleList(k or nn.Module() for k in kept) if any(kept) else None


def with_state(i: int, loss: LossFunction) -> LossFunction:
    """A loss that is given the i-th of several states."""

    def own(binding: Binding, x: Any, progress: Progress) -> Loss:
        kept = progress.state
        if isinstance(kept, nn.ModuleList):
            part = kept[i]
            progress = replace(progress, state=part if len(part.state_dict()) else None)
        return loss(binding, x, progress)

    return own


def _factor(weight: float) -> str:
    return "" if weight == 1.0 else f"{weight:g}·"


def _weighted(losses: list[tuple[float, LossFunction]]) -> LossFunction:
    def total(binding: Binding, x: Any, progress: Progress) -> Loss:
        results = [(w, loss(binding, x, progress)) for w, loss in losses]
        terms: dict[str, Tensor] = {}
        for _, result in results:
            terms |= result.terms
        surrogates = [w * r.surrogate for w, r in results]
        values = [w * r.value for w, r in results if r.value is not None]
        value = sum(values[1:], values[0]) if values else None
        return Loss(sum(surrogates[1:], surrogates[0]), value, terms)

    return total


def refuse_undensified(binding: Binding, name: str) -> None:
    """Refuses sites without a normalised density under an objective that needs one."""
    for site in binding.sites.values():
        if site.kind is Kind.IMPLICIT:
            raise ObjectiveError(
                f"{name} needs the density of site '{site.name}', which is implicit. Try an "
                "objective with a critic at that site, or a likelihood such as Normal around the "
                "draw."
            )
        if site.kind is Kind.ENERGY:
            raise ObjectiveError(
                f"{name} needs a normalised density, and site '{site.name}' belongs to an energy "
                "whose log Z is unknown. Try a contrastive objective."
            )
