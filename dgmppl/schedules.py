"""Settings that change during learning, such as the weight of a KL term."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

__all__ = ["Clock", "Cyclic", "Linear", "Schedule", "setting_at"]


@runtime_checkable
class Schedule(Protocol):
    """A number as a function of the epoch (a fraction inside an epoch)."""

    def __call__(self, epoch: float) -> float:
        """The value at `epoch`, counted from 0."""


@dataclass(frozen=True)
class Linear:
    """A straight line from `start` to `stop`, then constant: the usual warm-up.

    Arguments:
        start: Value at epoch 0.
        stop: Value from epoch `epochs` on.
        epochs: Length of the warm-up.

    Example:
        >>> [Linear(0.0, 1.0, epochs=10)(epoch) for epoch in (0, 5, 20)]
        [0.0, 0.5, 1.0]
    """

    start: float
    stop: float
    epochs: float

    def __call__(self, epoch: float) -> float:
        """The value at `epoch`."""
        share = min(max(epoch / self.epochs, 0.0), 1.0)
        return self.start + share * (self.stop - self.start)

    def __str__(self) -> str:
        return f"({self.start:g}→{self.stop:g} over {self.epochs:g} epochs)"


@dataclass(frozen=True)
class Cyclic:
    """A warm-up that begins anew: linear over the first half of each cycle, then constant.

    Arguments:
        start: Value at the start of each cycle.
        stop: Value in the second half of each cycle.
        period: Length of a cycle in epochs.

    References:
        Cyclical Annealing Schedule, Hao Fu et al., 2019. https://arxiv.org/abs/1903.10145

    Example:
        >>> [Cyclic(0.0, 1.0, period=4)(epoch) for epoch in (0, 1, 3, 4)]
        [0.0, 0.5, 1.0, 0.0]
    """

    start: float
    stop: float
    period: float

    def __call__(self, epoch: float) -> float:
        """The value at `epoch`."""
        return Linear(self.start, self.stop, self.period / 2)(epoch % self.period)

    def __str__(self) -> str:
        return f"({self.start:g}→{self.stop:g} every {self.period:g} epochs)"


@dataclass(frozen=True)
class Clock:
    """An epoch that notes which schedules are read, and may answer with numbers given beforehand.

    So a graph that was recorded at one epoch serves every other.

    Arguments:
        epoch: The epoch.
        numbers: The schedules' values in the order in which they are read; else they are computed.
        read: The schedules that were read.
    """

    epoch: float
    numbers: Iterator[Any] | None = None
    read: list[Schedule] = field(default_factory=list)

    def at(self, schedule: Schedule) -> Any:
        """The schedule's value now."""
        self.read.append(schedule)
        return schedule(self.epoch) if self.numbers is None else next(self.numbers)

    def __float__(self) -> float:
        return self.epoch


def setting_at(setting: float | Schedule, epoch: float | Clock) -> Any:
    """The value of a constant or scheduled setting."""
    if not callable(setting):
        return setting
    return epoch.at(setting) if isinstance(epoch, Clock) else setting(epoch)
