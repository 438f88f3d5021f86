"""Losses on their way from the device to the history, checked for being finite."""

from __future__ import annotations

import math
from collections import defaultdict
from operator import mul
from typing import Any

import torch
from torch import Tensor

from dgmppl.inference.estimate import Estimate
from dgmppl.inference.history import History
from dgmppl.inference.processes import Processes

__all__ = ["Ledger", "NonFiniteError"]


class NonFiniteError(FloatingPointError):
    """A loss that is not finite."""


class Ledger:
    """Collects losses on the device and reads several at once: a GPU is not waited for each step.

    Arguments:
        history: Where rows go.
        every: How many losses are read at once: 1 stops a run before a bad step is taken.
        processes: Whose losses are averaged.
    """

    def __init__(self, history: History, every: int, processes: Processes):
        self.history, self.every, self.processes = history, every, processes
        self.pending: list[tuple[dict[str, Any], float, tuple[str, ...], Tensor]] = []
        self.sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.last: dict[str, Any] = {}

    def record(self, place: dict[str, Any], estimate: Estimate, weight: float) -> None:
        """Takes what was found at a step, epoch, phase and batch, and its share of the step's data.

        Raises:
            NonFiniteError: If it, or an earlier one that is read only now, is not finite.
        """
        self.pending.append((place, weight, estimate.names, estimate.numbers))
        if len(self.pending) >= self.every:
            self.flush()

    def flush(self) -> None:
        """Reads what is pending."""
        if not self.pending:
            return
        pending, self.pending = self.pending, []
        weights = [weight for _, weight, *_ in pending]
        names = [own for *_, own, _ in pending]
        found = torch.cat([numbers for *_, numbers in pending]).tolist()
        every = self.processes.gather([*weights, *found])
        read = [_rows(names, numbers[len(pending) :]) for numbers in every]
        for i, (place, *_) in enumerate(pending):
            rows = [own[i] for own in read]
            for rank, row in enumerate(rows):
                _check(place, row, f", process {rank} of {len(rows)}" if len(rows) > 1 else "")
            shares = [numbers[i] for numbers in every]
            row = {n: sum(map(mul, shares, (r[n] for r in rows))) for n in rows[0]}
            del row["surrogate"]
            self.last = {**place, **row}
            self.history.add("steps", self.last)
            for name, number in row.items():
                self.sums[name][0] += number
                self.sums[name][1] += 1

    def end_epoch(self) -> dict[str, float]:
        """Means over the epoch; begins the next."""
        self.flush()
        means = {name: total / count for name, (total, count) in self.sums.items()}
        self.sums.clear()
        return means

    def state(self) -> dict[str, list[float]]:
        """The running sums, for a checkpoint."""
        return dict(self.sums)

    def load(self, state: dict[str, list[float]]) -> None:
        """Continues from a checkpoint's sums."""
        self.sums.clear()
        self.sums.update({name: list(pair) for name, pair in state.items()})


def _rows(names: list[tuple[str, ...]], numbers: list[float]) -> list[dict[str, float]]:
    """One process's numbers, by the names of this one's."""
    one = iter(numbers)
    return [{name: next(one) for name in own} for own in names]


def _check(place: dict[str, Any], row: dict[str, float], who: str) -> None:
    if all(math.isfinite(row.get(name, 0.0)) for name in ("surrogate", "value")):
        return
    bad = [n for n in row if n not in ("surrogate", "value") and not math.isfinite(row[n])]
    site = f"site '{bad[0].removeprefix('kl_')}'" if bad else "no single site (the sum overflows)"
    raise NonFiniteError(
        f"The loss is not finite at step {place['step']} (epoch {place['epoch']}, batch "
        f"{place['batch']}), phase '{place['phase']}', at {site}{who}. Try a smaller "
        "learning rate, clip_gradient=…, or a look at that batch; the last checkpoint is from "
        "before this step."
    )
