"""log p(x) of machines from below, by chains that go back from the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.data import batch_length, repeat_rows
from dgmppl.energy import AnnealedPath, Counts, EnergyError, MeanField, machine_of
from dgmppl.evaluation.annealing import ReverseAnnealing
from dgmppl.lowering import Compile
from dgmppl.mean_weight import log_mean_weight
from dgmppl.objectives.contrastive import clamped

__all__ = ["reverse_evidence"]

#: Chains in memory at once.
ROWS = 2**13

KIND = "conservative estimate by reverse annealing"


def reverse_evidence(
    binding: Binding, batches: Iterable[Any], annealing: ReverseAnnealing, compile: Compile
) -> tuple[Tensor, Tensor, str]:
    """log of the probability that annealed chains end at each datum, its error, and what it is.

    Raises:
        EnergyError: If the guide draws layers, or documents differ in their lengths.
    """
    values, errors, path = [], [], None
    for x in batches:
        machine, data = machine_of(binding.program, x), clamped(binding, x)
        machine.check_states(data)
        counted = [n for n in data if isinstance(machine.layers[n], Counts)]
        if binding.draws or counted:
            what = (
                f"layers that a guide draws ({binding.draws[0].name})"
                if binding.draws
                else (f"lengths that differ (site '{counted[0]}')")
            )
            raise EnergyError(f"reverse annealing does not serve {what}. Try Annealing().")
        path = path or AnnealedPath.of(machine, data)
        value, error = log_mean_weight(_back(path, x, binding, annealing, compile))
        values.append(value)
        errors.append(error)
    return torch.cat(values), torch.cat(errors), KIND


def _back(
    path: AnnealedPath, x: Any, binding: Binding, annealing: ReverseAnnealing, compile: Compile
) -> Iterator[Tensor]:
    """Log-weights of some chains of each datum at a time, `[C, B]`.

    Hidden layers that move along the path start from the mean field, and are weighed.
    """
    machine, rows = path.machine, batch_length(x)
    most = max(1, ROWS // rows)
    for first in range(0, annealing.chains, most):
        number = min(most, annealing.chains - first)
        many = repeat_rows(x, number)
        data = clamped(binding, many)
        states = {n: value for n, value in data.items() if n in path.base}
        log_q = torch.zeros(())
        if hidden := [n for n in path.base if n not in data]:
            fields = MeanField()(machine, data, many).fields
            for name in hidden:
                layer, field = machine.layers[name], fields[name]
                states[name] = layer.draw(field)
                own = (field.linear * states[name]).flatten(1).sum(1)
                log_q = log_q + own - layer.log_partition(field)
        found = path.ends_at(annealing.powers, states, compile=compile)
        yield (found - log_q).unflatten(0, (number, rows))
