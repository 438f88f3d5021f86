"""A program that is written as an energy, and what can be derived from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from dgmppl.data import batch_length
from dgmppl.energy.colouring import colour
from dgmppl.energy.field import Field
from dgmppl.energy.units import Units
from dgmppl.handlers.clamp import Clamp
from dgmppl.site_checks import ProgramError
from dgmppl.sites import is_factor
from dgmppl.traces import isolated, sample_sites, trace

__all__ = ["EnergyError", "Machine", "Sampler", "States", "log_factor_of", "slopes_of"]

#: Layer → states `[B, *event]`.
States = Mapping[str, Tensor]


class EnergyError(ProgramError):
    """An energy whose conditionals cannot be derived, with the layer and the cure."""


@dataclass(frozen=True, eq=False)
class Machine:
    """Unit layers and the log-factor over them: p(s) ∝ exp log-factor(s), with base measures.

    Arguments:
        program: The program; its model has `units` sites and factors.
        layers: The kinds of units by site, in the order of the program.
        observed: The layers that the data give.
        neighbours: Layer → the layers that it interacts with.

    Example:
        >>> import pyro, dgmppl
        >>> from dgmppl.energy import Binary, machine_of
        >>> class Pair(dgmppl.Program):
        ...     def model(self, x=None, n=1):
        ...         with dgmppl.data_plate(x, n):
        ...             v = dgmppl.units("v", Binary(3), obs=x)
        ...             h = dgmppl.units("h", Binary(2))
        ...             pyro.factor("energy", v.sum(-1) * h.sum(-1))
        >>> machine = machine_of(Pair(), torch.ones(5, 3))
        >>> machine.blocks, machine.observed
        ((('v',), ('h',)), ('v',))
        >>> machine.fields({"v": torch.ones(1, 3), "h": torch.zeros(1, 2)}, ["h"])["h"].linear
        tensor([[3., 3.]])
    """

    program: nn.Module
    layers: Mapping[str, Units]
    observed: tuple[str, ...]
    neighbours: Mapping[str, frozenset[str]]

    @cached_property
    def blocks(self) -> tuple[tuple[str, ...], ...]:
        """Groups of layers that are independent of each other given the rest."""
        return colour(self.neighbours)

    @property
    def visible(self) -> tuple[str, ...]:
        """The layers that the data give; the first one, where no data were seen."""
        return self.observed or (next(iter(self.layers)),)

    def blocks_of(self, names: Collection[str]) -> tuple[tuple[str, ...], ...]:
        """The groups with some layers only, the others being held; those without data first."""
        kept = {n: self.neighbours[n] & set(names) for n in self.layers if n in names}
        visible = set(self.visible)
        return tuple(sorted(colour(kept), key=lambda group: not visible.isdisjoint(group)))

    def independent(self, names: Collection[str]) -> bool:
        """Whether some layers are independent of each other given the rest."""
        return all(not self.neighbours[n] & set(names) for n in names)

    def log_factor(self, states: States, x: Any = None) -> Tensor:
        """The sum of the model's factors at some states, `[B]`.

        Arguments:
            states: Of every layer.
            x: The batch, for models that read conditions from it.
        """
        return log_factor_of(self.program, states, x)

    def fields(
        self, states: States, names: Sequence[str], x: Any = None, *, power: float | Tensor = 1.0
    ) -> dict[str, Field]:
        """What each of some independent layers feels of the others, times a power.

        Gradients pass through to the parameters and the other layers where grad mode is on.
        """
        fields = self._felt(states, names, x)[1]
        return {name: field.tempered(power) for name, field in fields.items()}

    def emptied(
        self, states: States, names: Sequence[str], x: Any = None
    ) -> tuple[Tensor, dict[str, Field]]:
        """The log-factor where some independent layers are 0, `[B]`, and what they feel.

        The log-factor at other states of these layers is the former and what their fields add.
        """
        empty = {**states, **{n: torch.zeros_like(states[n]) for n in names}}
        total, fields = self._felt(empty, names, x)
        return total, {n: replace(field, state=states[n]) for n, field in fields.items()}

    def marginal(self, states: States, names: Sequence[str], x: Any = None) -> Tensor:
        """log of the sum of exp log-factor over some independent layers, `[B]`.

        For a restricted Boltzmann machine and its hidden layer this is minus the free energy.
        """
        total, fields = self.emptied(states, names, x)
        for name, field in fields.items():
            total = total + self.layers[name].log_partition(field)
        return total

    def _felt(
        self, states: States, names: Sequence[str], x: Any
    ) -> tuple[Tensor, dict[str, Field]]:
        """The log-factor and the fields, by one run of the program."""
        if not names:
            return self.log_factor(states, x), {}
        keep = torch.is_grad_enabled()
        with torch.enable_grad():
            moved = {n: self._start(states[n], n) for n in names}
            total = self.log_factor({**states, **moved}, x)
            curved = [n for n in names if self.layers[n].quadratic]
            slopes = slopes_of(total.sum(), moved, create_graph=keep or bool(curved))
            bends = {}
            if curved:
                along = torch.stack([slopes[n].sum() for n in curved]).sum()
                bends = slopes_of(along, {n: moved[n] for n in curved}, create_graph=keep)
        if not keep:
            total = total.detach()
            slopes = {n: slope.detach() for n, slope in slopes.items()}
        fields = {n: Field(slopes[n], states[n], -bends[n] if n in bends else None) for n in names}
        return total, fields

    def filled(self, states: States) -> dict[str, Tensor]:
        """States of some layers, and zeros for the others."""
        like = next(iter(states.values()))
        return {
            name: states[name] if name in states else like.new_zeros(len(like), *layer.event_shape)
            for name, layer in self.layers.items()
        }

    def initial(self, number: int) -> dict[str, Tensor]:
        """States drawn from the base measures, `[number, *event]`."""
        with torch.no_grad(), isolated(self.program):
            return {
                name: layer.base_measure().expand([number]).sample()
                for name, layer in self.layers.items()
            }

    def check_states(self, states: States) -> None:
        """Raises ValueError where values are no states of their layer."""
        for name, value in states.items():
            layer = self.layers[name]
            fits = layer.fits(value).expand_as(value)
            if not fits.all():
                raise ValueError(
                    f"Expected {layer.values} at site '{name}' of {type(layer).__name__} units, "
                    f"got {float(value[~fits][0]):.4g}. {layer.cure}"
                )

    def _start(self, value: Tensor, name: str) -> Tensor:
        """Where a layer's field is taken: anywhere if it is affine, at 0 if it is quadratic."""
        at = torch.zeros_like(value) if self.layers[name].quadratic else value.detach()
        return at.requires_grad_()


class Sampler(Protocol):
    """A move that leaves p ∝ exp(power · log-factor) as it is."""

    def __call__(
        self,
        machine: Machine,
        states: States,
        *,
        held: Collection[str] = (),
        x: Any = None,
        power: float | Tensor = 1.0,
    ) -> dict[str, Tensor]:
        """The states after the move; layers that are held stay."""


def log_factor_of(program: nn.Module, states: States, x: Any = None) -> Tensor:
    """The sum of a program's factors at some states, `[B]`."""
    model: Any = program.model
    number = batch_length(next(iter(states.values())))
    with isolated(program):
        sites = sample_sites(trace(model, x, number, handlers=(Clamp(states),)))
    factors = [site for site in sites.values() if is_factor(site)]
    parts: list[Tensor] = [site["fn"].log_prob(site["value"]) for site in factors]
    return sum(parts[1:], parts[0])


def slopes_of(
    total: Tensor, moved: Mapping[str, Tensor], *, create_graph: bool
) -> dict[str, Tensor]:
    """Derivatives by name, zeros where there is no dependence."""
    if not total.requires_grad:
        return {name: torch.zeros_like(value) for name, value in moved.items()}
    found = torch.autograd.grad(
        total,
        [*moved.values()],
        grad_outputs=torch.ones(()).to(total),
        create_graph=create_graph,
        allow_unused=True,
        materialize_grads=True,
    )
    return dict(zip(moved, found, strict=True))
