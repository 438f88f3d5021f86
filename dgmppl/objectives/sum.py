"""Objectives that are added."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from dgmppl.binding import Binding
from dgmppl.lowering import exchanged
from dgmppl.objectives.objective import Loss, LossFunction, Objective, Phase, Progress

__all__ = ["Sum", "states", "with_state"]

Weighted = tuple[float, Phase]


@dataclass(frozen=True)
class Sum(Objective):
    """A weighted sum of objectives, in which each player moves once by all that concerns it.

    Phases that share a player and keep the same time become one, with one optimizer; in it a part
    still reaches the parameters of its own roles only. Those that keep different times (such as
    `critic_steps`) stay apart.

    Arguments:
        parts: Pairs of weight and objective.

    Example:
        >>> from dgmppl.objectives import ELBO, IWAE
        >>> print(ELBO() + 0.5 * IWAE(num_particles=5))
        E_q[log p(x,z) − log q(z|x)] + 0.5·E_q[log 1/5 Σ_k p(x,z_k)/q(z_k|x)]
    """

    parts: tuple[tuple[float, Objective], ...]

    def summands(self) -> tuple[tuple[float, Objective], ...]:
        """The parts."""
        return self.parts

    @property
    def measure(self) -> str:  # type: ignore[override]
        """That of all parts, or just a value."""
        kinds = {part.measure for _, part in self.parts}
        return kinds.pop() if len(kinds) == 1 else "value"

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """The parts' phases, merged where they share a player and the time."""
        groups: list[list[Weighted]] = []
        for i, (weight, part) in enumerate(self.parts):
            for phase in part.phases(binding):
                own = (weight, replace(phase, loss=with_state(i, phase.loss)))
                same = [group for group in groups if any(_together(own[1], p) for _, p in group)]
                groups = [group for group in groups if group not in same]
                groups.append([*(each for group in same for each in group), own])
        return tuple(_merged(group) for group in groups)

    def state(self, binding: Binding, x: Any) -> nn.Module | None:
        """The parts' states, in order."""
        return states(binding, x, [part for _, part in self.parts])

    def value(self, binding: Binding, x: Any, progress: Progress) -> Tensor:
        """The weighted sum of the parts' values."""
        values = [weight * part.value(binding, x, progress) for weight, part in self.parts]
        return sum(values[1:], values[0])

    def explain(self, binding: Binding, state: nn.Module | None) -> str:
        """What the parts know."""
        own = state if isinstance(state, nn.ModuleList) else [None] * len(self.parts)
        pairs = zip(self.parts, own, strict=True)
        return " ".join(filter(None, (part.explain(binding, kept) for (_, part), kept in pairs)))

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


def _factor(weight: float) -> str:
    return "" if weight == 1.0 else f"{weight:g}·"


def _players(phase: Phase) -> set[str]:
    return set(phase.roles) - {"baseline"}


def _settings(phase: Phase) -> tuple[Any, ...]:
    return phase.repeat, phase.gradient, phase.every, phase.project


def _together(one: Phase, other: Phase) -> bool:
    """Whether two phases are one move; closed-form moves are only if they are of the same roles."""
    if _settings(one) != _settings(other):
        return False
    mine, others = _players(one), _players(other)
    return not mine.isdisjoint(others) if one.gradient else mine == others


def _merged(group: list[Weighted]) -> Phase:
    """One phase with the roles of all."""
    roles = tuple(dict.fromkeys(role for _, phase in group for role in phase.roles))
    losses = [(weight, _reaching(phase.roles, roles, phase.loss)) for weight, phase in group]
    return Phase(roles, _weighted(losses), *_settings(group[0][1]))


def _reaching(own: Sequence[str], roles: Sequence[str], loss: LossFunction) -> LossFunction:
    """A loss whose gradient reaches the parameters of its own roles only."""

    def held(binding: Binding, x: Any, progress: Progress) -> Loss:
        others = binding.parameters(roles).keys() - binding.parameters(own).keys()
        named = dict(binding.program.named_parameters())
        fixed = {name: named[name].detach() for name in others}
        with exchanged(binding.program, fixed) if fixed else nullcontext():
            return loss(binding, x, progress)

    return loss if set(own) >= set(roles) else held


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


def states(binding: Binding, x: Any, parts: Sequence[Objective]) -> nn.Module | None:
    """The states of several objectives, an empty module where one keeps nothing."""
    kept = [part.state(binding, x) for part in parts]
    return nn.ModuleList(k or nn.Module() for k in kept) if any(kept) else None


def with_state(i: int, loss: LossFunction) -> LossFunction:
    """A loss that is given the i-th of several states."""

    def own(binding: Binding, x: Any, progress: Progress) -> Loss:
        return loss(binding, x, progress.with_state(i))

    return own
