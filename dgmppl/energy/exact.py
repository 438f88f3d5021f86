"""Sums over all states of small machines."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor

from dgmppl.data import map_tensors
from dgmppl.energy.machine import EnergyError, Machine, States

__all__ = ["enumerated_blocks", "exact_log_partition", "list_states"]

#: Most states that are listed: those of 25 binary units.
LIMIT = 2**25
ROWS = 2**14


def exact_log_partition(
    machine: Machine, states: States | None = None, *, held: Collection[str] = (), x: Any = None
) -> Tensor:
    """log Z: the sum of exp log-factor over all states of the layers that are not held.

    One group of independent layers is summed in closed form, the others' states are listed.

    Arguments:
        machine: The energy.
        states: One state of the layers that are held, `[1, *event]`, and of `Counts` for their
            lengths.
        held: Layers that are not summed over.
        x: One row of conditions, or `None`.

    Returns:
        A scalar, which gradients pass through.

    Raises:
        EnergyError: If more than 2²⁵ states were to be listed.

    References:
        On the Quantitative Analysis of Deep Belief Networks, Ruslan Salakhutdinov, Iain Murray,
        2008. https://www.cs.toronto.edu/~rsalakhu/papers/dbn_ais.pdf

    Example:
        >>> import pyro, dgmppl
        >>> from dgmppl.energy import Binary, machine_of
        >>> class Coins(dgmppl.Program):
        ...     def model(self, x=None, n=1):
        ...         with dgmppl.data_plate(x, n):
        ...             v = dgmppl.units("v", Binary(2), obs=x)
        ...             pyro.factor("energy", v.sum(-1))
        >>> machine = machine_of(Coins(), torch.ones(1, 2))
        >>> exact_log_partition(machine).detach()  # 2 log(1 + e)
        tensor(2.6265)
    """
    free = [n for n in machine.layers if n not in held]
    summed, listed = enumerated_blocks(machine, free)
    first = dict(machine.initial(1) if states is None else states)
    total = torch.tensor(-math.inf)
    for part in list_states(machine, listed):
        rows = len(next(iter(part.values()))) if part else 1
        whole = {n: v.expand(rows, *v.shape[1:]) for n, v in first.items()}
        whole |= {n: v.to(first[n]) for n, v in part.items()}
        given = None if x is None else _repeated(x, rows)
        total = torch.logaddexp(total, machine.marginal(whole, summed, given).logsumexp(0))
    return total


def enumerated_blocks(
    machine: Machine, free: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The independent layers to sum in closed form, so that few states are left, and the rest.

    Raises:
        EnergyError: If too many are left.
    """

    def left(block: tuple[str, ...]) -> float:
        return math.prod(machine.layers[n].number() for n in free if n not in block)

    summed = min(machine.blocks_of(free), key=left)
    if left(summed) > LIMIT:
        raise EnergyError(
            f"Expected at most 2^25 states to list, got {left(summed):.3g} of the layers "
            f"{[n for n in free if n not in summed]}. Try annealed importance sampling: "
            "evidence(program, x, annealing=…)."
        )
    return summed, tuple(n for n in free if n not in summed)


def list_states(
    machine: Machine, names: Collection[str], rows: int = ROWS
) -> Iterator[dict[str, Tensor]]:
    """All joint states of some finite layers, in parts of at most `rows`."""
    sizes = [int(machine.layers[n].number()) for n in names]
    for ranks in torch.arange(math.prod(sizes)).split(rows):
        part, rest = {}, ranks
        for name, size in zip(names, sizes, strict=True):
            part[name] = machine.layers[name].states(rest % size)
            rest = rest // size
        yield part


def _repeated(x: Any, rows: int) -> Any:
    return map_tensors(lambda t: t.expand(rows, *t.shape[1:]), x)
