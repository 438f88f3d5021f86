"""What is found of a program's energy: layers, interactions, and a check of conditionals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from dgmppl.data import batch_length
from dgmppl.energy.machine import EnergyError, Machine, States, log_factor_of, slopes_of
from dgmppl.energy.units import Units
from dgmppl.randomness import seeded
from dgmppl.sites import is_factor
from dgmppl.traces import evaluating, isolated, sample_sites, trace

__all__ = ["machine_of"]

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-8}

#: What was found of a program: layers, observed ones and neighbours, but not the program itself;
#: and whether there were data.
_KNOWN: WeakKeyDictionary[nn.Module, tuple[tuple[Any, Any, Any], bool]] = WeakKeyDictionary()


def machine_of(program: nn.Module, x: Any = None) -> Machine:
    """Looks at a program's energy, once without and once with data.

    Arguments:
        program: The program.
        x: A batch.

    Raises:
        EnergyError: If the model has no units or no factor in the data plate; if a layer interacts
            with itself, or its conditional is not of its kind.
    """
    known, with_data = _KNOWN.get(program, (None, False))
    if known is None or (x is not None and not with_data):
        found = _survey(program, x)
        known = found.layers, found.observed, found.neighbours
        _KNOWN[program] = known, x is not None
    return Machine(program, *known)


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
    factors = {n: s for n, s in sites.items() if is_factor(s)}
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
        total = log_factor_of(self.program, moved, self.x)
        if not bool(torch.isfinite(total).all()):
            raise EnergyError(
                f"Expected a finite log-factor, got {float(total.detach()[0])}. Try the model at "
                "states between the extremes."
            )
        return slopes_of(total.sum(), {name: moved[name]}, create_graph=graph)[name], moved

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
        return slopes_of(slope.sum(), {name: moved[name]}, create_graph=False)[name]

    def _edges(self, name: str, points: dict[str, Tensor]) -> frozenset[str]:
        """The other layers that the slope depends on."""
        slope, moved = self._slope(points, name, graph=True)
        others = {n: moved[n] for n in self.layers if n != name}
        if not others:
            return frozenset()
        probe = (slope * torch.randn_like(slope)).sum()
        mixed = slopes_of(probe, others, create_graph=False)
        return frozenset(n for n, value in mixed.items() if bool((value != 0).any()))
