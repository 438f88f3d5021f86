"""Annealed importance sampling of log Z, forwards and backwards."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from dgmppl.energy.field import Field
from dgmppl.energy.machine import EnergyError, Machine, States
from dgmppl.lowering import Compile, Graphs, backends_for
from dgmppl.mean_weight import log_mean_weight

__all__ = ["AnnealedPath", "LogPartition"]


@dataclass(frozen=True)
class LogPartition:
    """log Z, or an estimate of it.

    Arguments:
        value: In nats.
        standard_error: Of the estimate, by the delta method; it does not know of states that no
            chain has seen.
        effective_sample_size: Of the chains' weights; 1 where one chain decides all.
        kind: "exact"; "estimate from below" whose mean weight is unbiased for Z, so that the
            logarithm is low on average; "estimate from above" whose mean weight is unbiased for
            1 / Z.
    """

    value: float
    standard_error: float
    effective_sample_size: float
    kind: str

    def __str__(self) -> str:
        if self.kind == "exact":
            return f"log Z {self.value:.3f} (exact)"
        return (
            f"log Z {self.value:.3f} ± {self.standard_error:.2g} ({self.kind}, effective sample "
            f"size {self.effective_sample_size:.3g})"
        )


@dataclass(frozen=True)
class AnnealedPath:
    """From independent units to the machine: p_β ∝ exp(β log-factor + (1 − β) base).

    The largest group of independent layers is summed out, the others move: `kept`.

    Arguments:
        machine: The energy.
        base: Kept layer → its field at β = 0, of shapes `[1, *event]`; see `base_of`.
        summed: The layers that are summed.
        start: One state of every layer, `[1, *event]`.
    """

    machine: Machine
    base: Mapping[str, Field]
    summed: tuple[str, ...]
    start: States

    @classmethod
    def of(
        cls, machine: Machine, data: States | None = None, start: States | None = None
    ) -> AnnealedPath:
        """The path from each kept layer's own moments in some data, or from no field at all.

        Arguments:
            machine: The energy.
            data: Observed layer → states `[N, *event]`.
            start: One state of layers of `Counts`, for their lengths, `[1, *event]`.
        """
        groups = [g for g in machine.blocks if not any(machine.layers[n].quadratic for n in g)]
        if not groups:
            raise EnergyError(
                "Annealing needs a layer of units with finitely many values. Try a layer of Binary "
                "units, or chains by Langevin moves."
            )
        sizes = {g: sum(math.prod(machine.layers[n].event_shape) for n in g) for g in groups}
        if data is not None:  # what data tell of is annealed from
            hidden = [g for g in groups if set(g).isdisjoint(data)]
            groups = hidden or groups
        summed = max(groups, key=lambda g: sizes[g])
        start = {**machine.initial(1), **(start or {})}
        base = {
            name: _moments(machine, name, start[name], None if data is None else data.get(name))
            for name in machine.layers
            if name not in summed
        }
        return cls(machine, base, summed, start)

    @torch.no_grad()
    def forward(
        self, powers: Sequence[float], chains: int, *, compile: Compile = "auto"
    ) -> tuple[LogPartition, States]:
        """log Z from below, and the chains' last states.

        Arguments:
            powers: β from 0 to 1.
            chains: How many.
            compile: Whether steps run as a recorded graph, as for `fit`.
        """
        drawn = {n: self._many(v, chains) for n, v in self.start.items()}
        for name, field in self._base(chains).items():
            drawn[name] = self.machine.layers[name].draw(field)
        steps = [*itertools.pairwise(powers)]
        log_w = self._log_base(chains)
        states, log_w = self._along(steps, drawn, log_w, compile, backwards=False)
        return _estimate(log_w, "estimate from below"), states

    @torch.no_grad()
    def backward(
        self, powers: Sequence[float], states: States, *, compile: Compile = "auto"
    ) -> LogPartition:
        """log Z from above, by chains from draws of the machine back to the base (reverse AIS).

        Arguments:
            powers: β from 0 to 1.
            states: Draws of the machine; where they are not exact, no more than that is claimed.
            compile: As of `forward`.
        """
        log_w = self._log_base(len(next(iter(states.values()))))
        steps = [*itertools.pairwise(powers)][::-1]
        log_w = self._along(steps, states, log_w, compile, backwards=True)[1]
        found = _estimate(-log_w, "estimate from above")
        return replace(found, value=-found.value)

    @torch.no_grad()
    def ends_at(
        self, powers: Sequence[float], states: States, *, compile: Compile = "auto"
    ) -> Tensor:
        """log of weights whose mean is the probability that annealed chains end there, `[N]`.

        What annealing draws has a density of its own, near the machine's where there are many
        powers. A chain that goes back from each state weighs it without bias (RAISE).

        Arguments:
            powers: β from 0 to 1.
            states: Kept layer → states `[N, *event]`.
            compile: As of `forward`.

        References:
            Accurate and Conservative Estimates of MRF Log-Likelihood Using Reverse Annealing, Yuri
            Burda, Roger Grosse, Ruslan Salakhutdinov, 2014. https://arxiv.org/abs/1412.8566
        """
        first = next(iter(states.values()))
        whole = {n: self._many(v, len(first)) for n, v in self.start.items()} | dict(states)
        one = first.new_ones(())
        rest, fields = self.machine.emptied(whole, self.summed)
        end = self._log_p(whole, fields, rest, one)
        for name, state in states.items():
            end = end + self.machine.layers[name].log_base(state)
        begun = self._moved(whole, fields, one, backwards=True)
        steps = [*itertools.pairwise(powers)][::-1]
        base = self._log_base(len(first))
        return end - self._along(steps, begun, base, compile, backwards=True)[1]

    def _along(
        self,
        powers: Sequence[tuple[float, float]],
        states: States,
        log_w: Tensor,
        compile: Compile,
        *,
        backwards: bool,
    ) -> tuple[States, Tensor]:
        """The chains' states and weights after all steps."""
        backends = backends_for(compile, len(powers))
        step = partial(self._step, backwards=backwards)
        run = Graphs(step, [self.machine.program], backends, strict=compile != "auto")
        for low, high in powers:
            states, log_w = run(states, log_w, *log_w.new_tensor([low, high]))
        return states, log_w

    def _step(
        self, states: States, log_w: Tensor, low: Tensor, high: Tensor, *, backwards: bool
    ) -> tuple[dict[str, Tensor], Tensor]:
        """From one power to the next: the weight's factor, then a move."""
        rest, fields = self.machine.emptied(states, self.summed)
        log_w = log_w + self._log_p(states, fields, rest, high)
        log_w = log_w - self._log_p(states, fields, rest, low)
        return self._moved(states, fields, low if backwards else high, backwards=backwards), log_w

    def _log_p(
        self, states: States, fields: Mapping[str, Field], rest: Tensor, power: Tensor
    ) -> Tensor:
        """log of the weight at a power with the summed layers summed out, `[C]`."""
        total = power * rest
        for name, field in fields.items():
            total = total + self.machine.layers[name].log_partition(field.tempered(power))
        for name, field in self.base.items():
            value = states[name]
            term = field.linear * value
            if field.curvature is not None:
                term = term - 0.5 * field.curvature * value.square()
            total = total + (1 - power) * term.flatten(1).sum(1)
        return total

    def _moved(
        self,
        states: States,
        fields: Mapping[str, Field],
        power: Tensor,
        *,
        backwards: bool,
    ) -> dict[str, Tensor]:
        """One sweep that leaves p_β as it is; backwards with the kept layers in opposite order."""
        layers, states = self.machine.layers, dict(states)
        for name in self.summed:
            states[name] = layers[name].draw(fields[name].tempered(power))
        groups = self.machine.blocks_of([*self.base])
        for group in reversed(groups) if backwards else groups:
            felt = self.machine.fields(states, group, power=power)
            for name in group:
                states[name] = layers[name].draw(_mixed(felt[name], self.base[name], power))
        return states

    def _base(self, chains: int) -> dict[str, Field]:
        return {
            name: Field(
                self._many(field.linear, chains),
                self._many(field.state, chains),
                None if field.curvature is None else self._many(field.curvature, chains),
            )
            for name, field in self.base.items()
        }

    def _log_base(self, chains: int) -> Tensor:
        """log Z at β = 0, `[C]`."""
        total = torch.zeros(())
        for name, field in self._base(chains).items():
            total = total + self.machine.layers[name].log_partition(field)
        for name in self.summed:
            none = Field(torch.zeros_like(self.start[name]), self.start[name])
            total = total + self.machine.layers[name].log_partition(none)
        return total

    def _many(self, value: Tensor, chains: int) -> Tensor:
        return value.expand(chains, *value.shape[1:]).clone()


def _moments(machine: Machine, name: str, state: Tensor, data: Tensor | None) -> Field:
    """A field under which a layer has its moments in some data; none without data."""
    layer = machine.layers[name]
    zero = torch.zeros_like(state)
    if data is None:
        return Field(zero, state, torch.ones_like(state) if layer.quadratic else None)
    precision = 1 / data.var(0, keepdim=True).clamp(min=1e-6) if layer.quadratic else None
    return Field(layer.field_of(data), state, precision)


def _mixed(field: Field, base: Field, power: Tensor) -> Field:
    """A field, already times its power, and the rest of the base."""
    linear = field.linear + (1 - power) * base.linear
    if field.curvature is None or base.curvature is None:
        return Field(linear, field.state)
    return Field(linear, field.state, field.curvature + (1 - power) * base.curvature)


def _estimate(log_w: Tensor, kind: str) -> LogPartition:
    value, error = log_mean_weight([log_w])
    size = 1 / (float(error) ** 2 + 1 / len(log_w))
    return LogPartition(float(value), float(error), size, kind)
