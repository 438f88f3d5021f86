"""Losses on their way from the device to the history, checked for being finite."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from dgmppl.inference.history import History
from dgmppl.objectives.objective import Loss

__all__ = ["Ledger", "NonFiniteError"]


class NonFiniteError(FloatingPointError):
    """A loss that is not finite."""


class Ledger:
    """Collects losses on the device and reads several at once: a GPU is not waited for each step.

    Arguments:
        history: Where rows go.
        every: How many losses are read at once: 1 stops a run before a bad step is taken.
    """

    def __init__(self, history: History, every: int):
        self.history, self.every = history, every
        self.pending: list[tuple[dict[str, Any], Loss]] = []
        self.sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.last: dict[str, Any] = {}

    def record(self, place: dict[str, Any], loss: Loss) -> None:
        """Takes a loss at a step, epoch, phase and batch.

        Raises:
            NonFiniteError: If it, or an earlier one that is read only now, is not finite.
        """
        self.pending.append((place, loss))
        if len(self.pending) >= self.every:
            self.flush()

    def flush(self) -> None:
        """Reads what is pending."""
        if not self.pending:
            return
        pending, self.pending = self.pending, []
        flat: list[Tensor] = []
        for _, loss in pending:
            flat += [loss.surrogate.detach(), loss.value, *loss.terms.values()]
        numbers = iter(
            torch.stack(
                [
                    t.reshape(()).float() if t.dtype.itemsize < 4 else t.reshape(()).double()
                    for t in flat
                ]
            ).tolist()
        )
        for place, loss in pending:
            surrogate, value = next(numbers), next(numbers)
            terms = {name: next(numbers) for name in loss.terms}
            _check(place, surrogate, value, terms)
            self.last = {**place, "value": value, **terms}
            self.history.add("steps", self.last)
            for name, number in (("value", value), *terms.items()):
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


def _check(place: dict[str, Any], surrogate: float, value: float, terms: dict[str, float]) -> None:
    if math.isfinite(surrogate) and math.isfinite(value):
        return
    bad = [name for name, number in terms.items() if not math.isfinite(number)]
    site = f"site '{bad[0].removeprefix('kl_')}'" if bad else "no single site (the sum overflows)"
    raise NonFiniteError(
        f"The loss is not finite at step {place['step']} (epoch {place['epoch']}, batch "
        f"{place['batch']}), phase '{place['phase']}', at {site}. Try a smaller learning rate, "
        "clip_gradient=…, or a look at that batch; the last checkpoint is from before this step."
    )
