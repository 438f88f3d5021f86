"""What can be said of a fit without log Z: one unit at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dgmppl.data import map_tensors
from dgmppl.energy.machine import Machine, States
from dgmppl.energy.units import Binary, Spins

__all__ = ["pseudo_likelihood", "reconstruction"]


@torch.no_grad()
def pseudo_likelihood(
    machine: Machine, data: States, x: Any = None, *, rows: int | None = None
) -> Tensor:
    """Σ_i log p(v_i | other visible units), hidden layers summed out: nats a datum, a scalar.

    One unit of each layer is drawn for each datum and stands for all of them. Layers that are
    neither `Binary` nor `Spins` count with their reconstruction.

    Arguments:
        machine: The energy; its hidden layers are independent of each other.
        data: Observed layer → states `[B, *event]`.
        x: The batch, for conditions.
        rows: How many of the data units are flipped in; all unless told.

    References:
        Statistical Analysis of Non-Lattice Data, Julian Besag, 1975.
        https://doi.org/10.2307/2987782
    """
    hidden = [n for n in machine.layers if n not in data]
    states = machine.filled(data)
    flipped = [n for n in data if isinstance(machine.layers[n], Binary | Spins)]
    total = torch.zeros(())
    if flipped:
        # of all data: in a training step it is known already
        here = machine.marginal(states, hidden, x)[:rows]
        states, x = map_tensors(lambda t: t[:rows], (states, x))
    for name in flipped:
        value = states[name]
        unit = torch.randint(value.shape[1], (len(value), 1), device=value.device)
        old = value.gather(1, unit)
        new = 1 - old if isinstance(machine.layers[name], Binary) else -old
        there = machine.marginal({**states, name: value.scatter(1, unit, new)}, hidden, x)
        total = total + value.shape[1] * torch.nn.functional.logsigmoid(here - there).mean()
    others = [n for n in data if n not in flipped]
    if others:
        shown = {n: states[n] for n in data}
        total = total + reconstruction(machine, shown, others, x)
    return total


@torch.no_grad()
def reconstruction(
    machine: Machine,
    data: States,
    names: list[str] | None = None,
    x: Any = None,
    *,
    means: States | None = None,
) -> Tensor:
    """Σ log p(v | hidden layers at their mean given v), nats a datum, a scalar.

    Arguments:
        machine: The energy.
        data: Observed layer → states `[B, *event]`.
        names: Layers to count; all that are observed.
        x: The batch, for conditions.
        means: Of the hidden layers; without them these are independent of each other.
    """
    hidden = [n for n in machine.layers if n not in data]
    states = machine.filled(data)
    if means is None:
        felt = machine.fields(states, hidden, x)
        means = {n: machine.layers[n].mean(felt[n]) for n in hidden}
    states |= {n: means[n] for n in hidden}
    total = torch.zeros(())
    for name in data if names is None else names:
        layer, field = machine.layers[name], machine.fields(states, [name], x)[name]
        log_p = field.linear * data[name]
        if field.curvature is not None:
            log_p = log_p - 0.5 * field.curvature * data[name].square()
        total = total + (log_p.flatten(1).sum(1) - layer.log_partition(field)).mean()
    return total
