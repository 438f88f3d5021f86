"""log p(x) and draws of programs that are written as an energy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from pyro.distributions import Unit
from torch import Tensor, nn

from dgmppl.binding import Binding, bind
from dgmppl.energy import (
    AnnealedPath,
    BlockGibbs,
    Counts,
    EnergyError,
    Langevin,
    LogPartition,
    Machine,
    MeanField,
    Sampler,
    States,
    exact_log_partition,
    machine_of,
)
from dgmppl.evaluation.annealing import Annealing
from dgmppl.handlers.clamp import Clamp
from dgmppl.objectives.contrastive import clamped
from dgmppl.sites import base_distribution
from dgmppl.traces import isolated, sample_sites, trace

__all__ = ["draw_machine", "energy_evidence", "log_partition"]

MEAN_FIELD = MeanField(200, damping=0.1, tolerance=1e-5)


def log_partition(
    program: nn.Module,
    x: Any = None,
    *,
    annealing: Annealing | None = None,
    start: States | None = None,
) -> LogPartition:
    """log Z of a program that is written as an energy.

    Arguments:
        program: The program.
        x: A batch; annealing starts from the moments of what it observes.
        annealing: Steps and chains; without it all states of the smaller side are listed.
        start: One state of each layer of `Counts`, for its length, `[1, *event]`.

    Raises:
        EnergyError: If there is no annealing and more than 2²⁵ states were to be listed.

    Example:
        >>> import pyro, dgmppl
        >>> class Coins(dgmppl.Program):
        ...     def model(self, x=None, n=1):
        ...         with dgmppl.data_plate(x, n):
        ...             v = dgmppl.units("v", dgmppl.energy.Binary(2), obs=x)
        ...             pyro.factor("energy", v.sum(-1))
        >>> print(log_partition(Coins()))
        log Z 2.627 (exact)
    """
    machine = machine_of(program, x)
    with torch.no_grad():
        if annealing is None:
            value = exact_log_partition(machine, {**machine.initial(1), **(start or {})})
            return LogPartition(float(value), 0.0, math.inf, "exact")
        data = None if x is None else clamped(bind(program, x), x)
        path = AnnealedPath.of(machine, data, start)
        return path.forward(annealing.powers, annealing.chains)[0]


def energy_evidence(
    binding: Binding, batches: Iterable[Any], annealing: Annealing | None
) -> tuple[Tensor, LogPartition, str]:
    """log p(x) of each datum, the last log Z that it took, and what it is.

    Hidden layers that are independent given the data are summed out; where some interact, the
    mean-field bound stands for the sum.
    """
    values, known = [], _LogZ(binding.program, annealing)
    kind = ""
    for x in batches:
        machine = machine_of(binding.program, x)
        data = clamped(binding, x)
        given = [s.name for s in binding.observed if s.distribution != "Unit"]
        if others := [name for name in given if name not in data]:
            raise EnergyError(
                f"the data give site '{others[0]}', which is drawn from the energy's layers "
                f"{[*machine.layers]}; their posterior is not summed. Try a layer of units there."
            )
        machine.check_states(data)
        hidden = [n for n in machine.layers if n not in data]
        if machine.independent(hidden):
            above, kind = machine.marginal(machine.filled(data), hidden, x), ""
        else:
            above, kind = MEAN_FIELD(machine, data, x).bound(machine, x), "lower bound"
        for name, state in data.items():
            above = above + machine.layers[name].log_base(state)
        values.append(above - known.of(machine, data, x))
    assert known.last is not None
    exact = known.last.kind == "exact"
    names = {
        ("", True): "exact",
        ("", False): "estimate, log Z by annealing",
        ("lower bound", True): "lower bound",
        ("lower bound", False): "lower bound, log Z by annealing",
    }
    return torch.cat(values), known.last, names[kind, exact]


class _LogZ:
    """log Z, which differs with the lengths of documents and is the same for all else."""

    def __init__(self, program: nn.Module, annealing: Annealing | None):
        self.program, self.annealing = program, annealing
        self.known: dict[tuple[float, ...], LogPartition] = {}
        self.last: LogPartition | None = None

    def of(self, machine: Machine, data: States, x: Any) -> Tensor:
        """`[B]`."""
        counted = [n for n in data if isinstance(machine.layers[n], Counts)]
        rows = len(next(iter(data.values())))
        lengths = [data[n].sum(-1).tolist() for n in counted]
        keys = [tuple(length[i] for length in lengths) for i in range(rows)]
        for i, key in enumerate(keys):
            if key not in self.known:
                start = {n: data[n][i : i + 1] for n in counted}
                self.known[key] = log_partition(
                    self.program, x, annealing=self.annealing, start=start
                )
        self.last = self.known[keys[-1]]
        like = next(iter(data.values()))
        return like.new_tensor([self.known[key].value for key in keys])


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
        given: Layer → states that are held; where they are NaN they are drawn.
        means: Whether observed layers are their means given the others.
        sweeps: Of block Gibbs, or of Langevin moves where an energy is any function of its units.
    """
    machine = machine_of(program, x)
    unknown = [name for name in given if name not in machine.layers]
    if unknown:
        raise ValueError(f"Expected given sites of {[*machine.layers]}, got '{unknown[0]}'.")
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
    cooling = max(1, sweeps // 2)
    for i in range(sweeps):
        states = clamp(sampler(machine, states, held=held, power=min((i + 1) / cooling, 1.0)))
    if means:
        shown = [k for k in machine.visible if k not in held and not machine.layers[k].free]
        for name in shown:
            states[name] = machine.layers[name].mean(machine.fields(states, [name])[name])
        states = clamp(states)
    return states | _below(program, n, x, states)


def _below(program: nn.Module, n: int, x: Any, states: States) -> dict[str, Tensor]:
    """What the model draws from the layers' states: an energy may be the prior of other sites."""
    model: Any = program.model
    with isolated(program):
        sites = sample_sites(trace(model, x, n, handlers=(Clamp(states),)))
    return {
        name: site["value"]
        for name, site in sites.items()
        if name not in states and not isinstance(base_distribution(site["fn"]), Unit)
    }
