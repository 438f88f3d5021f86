"""A program that is written as an energy, and what can be derived from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from pyro.distributions import Unit
from torch import Tensor, nn

from dgmppl.data import batch_length
from dgmppl.energy.colouring import colour
from dgmppl.energy.field import Field
from dgmppl.energy.units import Units
from dgmppl.handlers.clamp import Clamp
from dgmppl.randomness import seeded
from dgmppl.site_checks import ProgramError
from dgmppl.sites import base_distribution
from dgmppl.traces import evaluating, isolated, sample_sites, trace

__all__ = ["EnergyError", "Machine", "Sampler", "States", "machine_of"]

#: Layer → states `[B, *event]`.
States = Mapping[str, Tensor]


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


TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-8}


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
        >>> from dgmppl.energy import Binary
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
        return _log_factor(self.program, states, x)

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
            slopes = _slopes(total.sum(), moved, create_graph=keep or bool(curved))
            bends = {}
            if curved:
                along = torch.stack([slopes[n].sum() for n in curved]).sum()
                bends = _slopes(along, {n: moved[n] for n in curved}, create_graph=keep)
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
            fits = self.layers[name].fits(value).expand_as(value)
            if not fits.all():
                bad = value[~fits][0]
                raise ValueError(
                    f"Expected {self.layers[name].values} at site '{name}' of "
                    f"{type(self.layers[name]).__name__} units, got {float(bad):.4g}. "
                    f"{_CURES.get(type(self.layers[name]).__name__, 'Try other units.')}"
                )

    def _start(self, value: Tensor, name: str) -> Tensor:
        """Where a layer's field is taken: anywhere if it is affine, at 0 if it is quadratic."""
        at = torch.zeros_like(value) if self.layers[name].quadratic else value.detach()
        return at.requires_grad_()


_CURES = {
    "Binary": "Try load(…, pixels=DynamicBinarisation()), or Gaussian units for grey values.",
    "Counts": "Try counts of words, and Counts(…, longest=…) of the longest document.",
    "Categorical": "Try torch.nn.functional.one_hot(labels, classes).",
}

#: What was found of a program: layers, observed ones and neighbours, but not the program itself.
_KNOWN: WeakKeyDictionary[nn.Module, tuple[Any, Any, Any]] = WeakKeyDictionary()


def machine_of(program: nn.Module, x: Any = None) -> Machine:
    """Looks at a program's energy, once without and once with data.

    Arguments:
        program: The program.
        x: A batch.

    Raises:
        EnergyError: If the model has no units or no factor in the data plate; if a layer interacts
            with itself, or its conditional is not of its kind.
    """
    known = _KNOWN.get(program)
    if known is None or (x is not None and not known[1]):
        found = _survey(program, x)
        known = _KNOWN[program] = found.layers, found.observed, found.neighbours
    return Machine(program, *known)


def _log_factor(program: nn.Module, states: States, x: Any = None) -> Tensor:
    model: Any = program.model
    number = batch_length(next(iter(states.values())))
    with isolated(program):
        sites = sample_sites(trace(model, x, number, handlers=(Clamp(states),)))
    factors = [s for s in sites.values() if isinstance(base_distribution(s["fn"]), Unit)]
    parts: list[Tensor] = [site["fn"].log_prob(site["value"]) for site in factors]
    return sum(parts[1:], parts[0])


def _slopes(total: Tensor, moved: Mapping[str, Tensor], *, create_graph: bool) -> dict[str, Tensor]:
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


def _survey(program: nn.Module, x: Any) -> Machine:
    """Layers, interactions, and a check of every conditional."""
    model: Any = program.model
    with torch.no_grad(), evaluating(program), seeded(0), isolated(program):
        sites = sample_sites(trace(model, x, 2))
    layers = {n: s["infer"]["units"] for n, s in sites.items() if "units" in s["infer"]}
    if not layers:
        raise EnergyError(
            f"Expected layers of units, got the sites {list(sites)}. Try "
            "dgmppl.units('v', Binary(784), obs=x) in the model."
        )
    factors = {n: s for n, s in sites.items() if isinstance(base_distribution(s["fn"]), Unit)}
    if not factors:
        raise EnergyError(
            f"Expected a factor over the layers {list(layers)}, got none: every state would be as "
            "probable. Try pyro.factor('energy', …) with minus the energy."
        )
    for name, site in factors.items():
        if not site["fn"].batch_shape:
            raise EnergyError(
                f"Expected factor '{name}' to have one value a datum, got a single one. Try it "
                "inside the data plate; what is of the parameters alone belongs to the optimizer, "
                "such as weight_decay."
            )
    observed = tuple(n for n in layers if sites[n]["is_observed"])
    with torch.enable_grad(), evaluating(program), seeded(0):
        return _Survey(program, layers, x).machine(observed)


@dataclass(frozen=True)
class _Survey:
    """Checks at random points between the states."""

    program: nn.Module
    layers: Mapping[str, Units]
    x: Any

    def machine(self, observed: tuple[str, ...]) -> Machine:
        with isolated(self.program):
            points = {n: layer.inside(self._number()) for n, layer in self.layers.items()}
        for name in self.layers:
            self._check(name, points)
        edges = {name: self._edges(name, points) for name in self.layers}
        return Machine(self.program, self.layers, observed, edges)

    def _number(self) -> int:
        return 2 if self.x is None else batch_length(self.x)

    def _slope(self, points: States, name: str, *, graph: bool = False) -> tuple[Tensor, Any]:
        """∂ log-factor / ∂ the layer, and the points that it was taken at."""
        moved = {n: p.detach().requires_grad_() for n, p in points.items()}
        total = _log_factor(self.program, moved, self.x)
        if not bool(torch.isfinite(total).all()):
            raise EnergyError(
                f"Expected a finite log-factor, got {float(total.detach()[0])}. Try the model at "
                "states between the extremes."
            )
        return _slopes(total.sum(), {name: moved[name]}, create_graph=graph)[name], moved

    def _check(self, name: str, points: dict[str, Tensor]) -> None:
        """Refuses a layer that interacts with itself, or bends otherwise than its kind does."""
        layer = self.layers[name]
        if layer.free:
            return
        with isolated(self.program):
            other = {**points, name: layer.inside(self._number())}
        here, there = self._slope(points, name)[0], self._slope(other, name)[0]
        change, step = there - here, other[name] - points[name]
        if layer.quadratic:
            bend = self._bend(name, points)
            if not bool((bend < 0).all()):
                raise EnergyError(
                    f"Site '{name}' of Gaussian units needs an energy that grows as the square of "
                    "its states, or it has no integral. Try pyro.factor('energy', "
                    "-0.5 * (v - b).square().sum(-1) + …)."
                )
            change = change - bend * step
        size = max(float(here.abs().max()), float(change.abs().max()), 1e-30)
        if float(change.abs().max()) > TOLERANCE.get(here.dtype, 1e-2) * max(size, 1.0):
            raise EnergyError(
                f"Site '{name}' interacts with itself: its conditional is not that of independent "
                f"{type(layer).__name__} units. Try an energy that is "
                f"{'quadratic in each unit' if layer.quadratic else 'linear in its states'} given "
                "the other layers, two layers in its place, or SingleSite / Langevin moves."
            )

    def _bend(self, name: str, points: dict[str, Tensor]) -> Tensor:
        """The second derivative along each unit, where it is diagonal."""
        slope, moved = self._slope(points, name, graph=True)
        return _slopes(slope.sum(), {name: moved[name]}, create_graph=False)[name]

    def _edges(self, name: str, points: dict[str, Tensor]) -> frozenset[str]:
        """The other layers that the slope depends on."""
        slope, moved = self._slope(points, name, graph=True)
        others = {n: moved[n] for n in self.layers if n != name}
        if not others:
            return frozenset()
        probe = (slope * torch.randn_like(slope)).sum()
        mixed = _slopes(probe, others, create_graph=False)
        return frozenset(n for n, value in mixed.items() if bool((value != 0).any()))
