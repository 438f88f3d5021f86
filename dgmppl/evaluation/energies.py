"""log p(x) of programs that are written as an energy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.binding import Binding, bind
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
from dgmppl.objectives.contrastive import clamped

__all__ = ["energy_evidence", "log_partition"]

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
