"""The processes that learn a program together; most often there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from dgmppl.data import Part

__all__ = ["ALONE", "Processes", "running_statistics"]

Made = TypeVar("Made")


@dataclass(frozen=True)
class Processes:
    """A process that is alone: it has all data and waits for nobody.

    `Group` keeps the same promises for several: whatever these methods return is the same in every
    process, and each of them is called by all processes in the same order.

    Arguments:
        rank: Which one this is, from 0.
        size: How many there are.
        device: Where this one computes.

    Example:
        >>> alone = Processes()
        >>> alone.any(False, True), alone.first(lambda: 3), alone.collect("a")
        ((False, True), 3, ['a'])
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=partial(torch.device, "cpu"))

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and speaks to the user."""
        return self.rank == 0

    @property
    def part(self) -> Part:
        """This process's part of every step's data."""
        return Part(self.rank, self.size)

    def average(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor | None],
        weight: float,
    ) -> list[Tensor | None]:
        """The processes' gradients, averaged.

        Arguments:
            parameters: What they are gradients by.
            gradients: This process's; `None` where a parameter took no part.
            weight: This process's share of the step's data.

        Returns:
            The averages; `None` where the parameter took part in no process.
        """
        return list(gradients)

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Overwrites tensors with process 0's."""

    def gather(self, numbers: Sequence[float]) -> list[list[float]]:
        """Every process's numbers (equally many), by rank."""
        return [list(numbers)]

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Which flags are up in some process."""
        return flags

    def collect(self, value: Made) -> list[Made]:
        """Every process's value, by rank. It is pickled: for what is small and rare."""
        return [value]

    def first(self, make: Callable[[], Made]) -> Made:
        """What process 0 makes; where it fails, all raise its error."""
        return make()


ALONE = Processes()


def running_statistics(*modules: nn.Module | None) -> Iterator[Tensor]:
    """The buffers that a module's checkpoint holds, which it moves itself as it runs."""
    for module in modules:
        kept: dict[str, Any] = {} if module is None else module.state_dict(keep_vars=True)
        yield from (tensor for tensor in kept.values() if not isinstance(tensor, nn.Parameter))
