"""log p(x) of programs that are written as an energy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.binding import Binding, bind
from dgmppl.data import batch_length, repeat_rows
from dgmppl.energy import (
    AnnealedPath,
    Counts,
    EnergyError,
    LogPartition,
    Machine,
    MeanField,
    States,
    exact_log_partition,
    machine_of,
)
from dgmppl.evaluation.annealing import Annealing
from dgmppl.lowering import Compile
from dgmppl.mean_weight import log_mean_weight
from dgmppl.objectives.contrastive import clamped
from dgmppl.objectives.recognition import check_summed, recognise

__all__ = ["energy_evidence", "log_partition"]

#: Rows of the guide's draws in memory at once.
ROWS = 2**11

MEAN_FIELD = MeanField(200, damping=0.1, tolerance=1e-5)


def log_partition(
    program: nn.Module,
    x: Any = None,
    *,
    annealing: Annealing | None = None,
    start: States | None = None,
    compile: Compile = "auto",
) -> LogPartition:
    """log Z of a program that is written as an energy.

    Annealing goes two ways, from independent units with the data's moments and from units without
    any; each is low on average and may miss modes that the other finds, so that the larger counts.

    Arguments:
        program: The program.
        x: A batch, for the moments of what it observes.
        annealing: Steps and chains of each way; without it all states of the smaller side are
            listed.
        start: One state of each layer of `Counts`, for its length, `[1, *event]`.
        compile: Whether annealing runs as a recorded graph, as for `fit`.

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
        bases = (data, None) if data else (None,)
        paths = [AnnealedPath.of(machine, base, start) for base in bases]
        powers, chains = annealing.powers, annealing.chains
        found = [path.forward(powers, chains, compile=compile)[0] for path in paths]
        return max(found, key=lambda log_z: log_z.value)


def energy_evidence(
    binding: Binding,
    batches: Iterable[Any],
    annealing: Annealing | None,
    particles: int,
    compile: Compile,
) -> tuple[Tensor, Tensor, LogPartition, str]:
    """log p(x) of each datum and its standard error, the last log Z, and what they are.

    Layers that are independent of each other given the known ones are summed out. A guide's layers
    are drawn and weighed; without one the mean-field bound stands for layers that interact.
    """
    values: list[Tensor] = []
    errors: list[Tensor] = []
    known, kind = _LogZ(binding.program, annealing, compile), ""
    for x in batches:
        machine = machine_of(binding.program, x)
        if not values:
            _check_known(binding, machine, x)
        data = clamped(binding, x)
        machine.check_states(data)
        if binding.draws:
            above, error = log_mean_weight(_weights(binding, machine, x, particles))
            kind = "lower bound"
        else:
            above, kind = _above(machine, data, x)
            error = torch.zeros_like(above)
        log_z = known.of(machine, data, x)
        assert known.last is not None
        values.append(above - log_z)
        errors.append(error.square().add(known.last.standard_error**2).sqrt())
    assert known.last is not None
    exact = known.last.kind == "exact"
    names = {
        ("", True): "exact",
        ("", False): "estimate, log Z by annealing",
        ("lower bound", True): "lower bound",
        ("lower bound", False): "lower bound, log Z by annealing",
    }
    return torch.cat(values), torch.cat(errors), known.last, names[kind, exact]


def _check_known(binding: Binding, machine: Machine, x: Any) -> None:
    """Whatever the data give is part of the sum."""
    given = [s.name for s in binding.observed if not s.factor]
    directed = [name for name in given if name not in machine.layers]
    if binding.draws:
        check_summed(binding, machine, x)
    elif directed:
        raise EnergyError(
            f"the data give site '{directed[0]}', which is drawn from the energy's layers "
            f"{[*machine.layers]}; their posterior is not summed. Try a layer of units there, or a "
            "guide that draws them."
        )


def _above(machine: Machine, data: States, x: Any) -> tuple[Tensor, str]:
    """log of the sum of exp log-factor over hidden states, `[B]`, or a bound on it."""
    hidden = [n for n in machine.layers if n not in data]
    if machine.independent(hidden):
        above, kind = machine.marginal(machine.filled(data), hidden, x), ""
    else:
        above, kind = MEAN_FIELD(machine, data, x).bound(machine, x), "lower bound"
    for name, state in data.items():
        above = above + machine.layers[name].log_base(state)
    return above, kind


def _weights(binding: Binding, machine: Machine, x: Any, particles: int) -> Iterator[Tensor]:
    """Log-weights of some of the guide's draws at a time, `[K, B]`."""
    rows = batch_length(x)
    most = max(1, ROWS // rows)
    for first in range(0, particles, most):
        number = min(most, particles - first)
        many = repeat_rows(x, number)
        yield recognise(binding, many).log_weight(machine, many).unflatten(0, (number, rows))


class _LogZ:
    """log Z, which differs with the lengths of documents and is the same for all else."""

    def __init__(self, program: nn.Module, annealing: Annealing | None, compile: Compile):
        self.program, self.annealing, self.compile = program, annealing, compile
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
                    self.program, x, annealing=self.annealing, start=start, compile=self.compile
                )
        self.last = self.known[keys[-1]]
        like = next(iter(data.values()))
        return like.new_tensor([self.known[key].value for key in keys])
