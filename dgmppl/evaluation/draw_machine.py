"""Draws of programs that are written as an energy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.energy import BlockGibbs, Langevin, Sampler, States, Sweeps, machine_of
from dgmppl.handlers.clamp import Clamp
from dgmppl.sites import is_factor, mean_of
from dgmppl.traces import isolated, sample_sites, trace

__all__ = ["draw_machine"]


@torch.no_grad()
def draw_machine(
    program: nn.Module,
    n: int,
    x: Any,
    given: Mapping[str, Tensor],
    *,
    means: bool,
    sweeps: int,
) -> dict[str, Tensor]:
    """States of chains that were cooled for half of their sweeps.

    Arguments:
        program: The program.
        n: How many chains.
        x: A batch, for programs that need one, or `None`.
        given: Layer → states that are held; where they are NaN they are drawn. Other latent sites
            → values that are held.
        means: Whether observed layers, or else the last directed site, are their means given the
            others.
        sweeps: Of block Gibbs, or of Langevin moves where an energy is any function of its units.
    """
    machine = machine_of(program, x)
    directed = {name: value for name, value in given.items() if name not in machine.layers}
    given = {name: value for name, value in given.items() if name in machine.layers}
    holes = {name: value.isnan() for name, value in given.items()}
    held = [name for name, hole in holes.items() if not hole.any()]
    states = machine.initial(n)

    def clamp(states: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            k: torch.where(holes[k], v, given[k].to(v)) if k in given else v
            for k, v in states.items()
        }

    states = clamp(states)
    free = any(layer.free for layer in machine.layers.values())
    sampler: Sampler = Langevin() if free else BlockGibbs()
    move, cooling = Sweeps(machine, sampler, sweeps, held=held), max(1, sweeps // 2)
    for i in range(sweeps):
        states = clamp(move(states, min((i + 1) / cooling, 1.0)))
    if means:
        shown = [k for k in machine.visible if k not in held and not machine.layers[k].free]
        for name in shown:
            states[name] = machine.layers[name].mean(machine.fields(states, [name])[name])
        states = clamp(states)
    return states | _below(program, n, x, states | directed, means=means)


def _below(program: nn.Module, n: int, x: Any, states: States, *, means: bool) -> dict[str, Tensor]:
    """What the model draws from the layers' states: an energy may be the prior of other sites."""
    model: Any = program.model
    with isolated(program):
        sites = sample_sites(trace(model, x, n, handlers=(Clamp(states),)))
    below = {n: s for n, s in sites.items() if n not in states and not is_factor(s)}
    drawn = {name: site["value"] for name, site in below.items()}
    if means and below:
        last = [*below][-1]
        drawn[last] = mean_of(below[last], last)
    return drawn
