"""Which share of the data is whose, where several processes walk through them together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple, TypeVar

__all__ = ["WHOLE", "Part"]

Item = TypeVar("Item")


class Part(NamedTuple):
    """One process's share of every step of a pass that `size` processes take together.

    A step takes `size` batches of the data. Where too few are left for all, the processes left
    over are handed data that another has, with a weight of 0: they take part and change nothing.

    Arguments:
        rank: Which process, from 0.
        size: How many there are.

    Example:
        >>> for rank in range(2):  # seven data, two a process and step
        ...     print(*Part(rank, 2).rows(0, 7, 2))
        (0, 2, 0.5) (4, 6, 0.666...)
        (2, 4, 0.5) (6, 7, 0.333...)
    """

    rank: int = 0
    size: int = 1

    def rows(self, start: int, stop: int, number: int) -> Iterator[tuple[int, int, float]]:
        """First row, end and weight of this part at each step.

        Arguments:
            start: The first row of all.
            stop: The end of all rows.
            number: Rows a process and step.

        Returns:
            An iterator. The weight is the share of the step's rows that are these.
        """
        for low in range(start, stop, number * self.size):
            many = min(number * self.size, stop - low)
            # rounded up, so that process 0 is never without data
            first, end = (low - -many * r // self.size for r in (self.rank, self.rank + 1))
            yield (first, end, (end - first) / many) if end > first else (low, low + 1, 0.0)

    def among(
        self, batches: Iterator[Item], length: Callable[[Item], int]
    ) -> Iterator[tuple[Item, float]]:
        """Every `size`-th batch, with its weight.

        Arguments:
            batches: All of them.
            length: How many data a batch has.
        """
        while group := list(islice(batches, self.size)):
            numbers = [1] if len(group) == 1 else [length(batch) for batch in group]
            here = self.rank if self.rank < len(group) else 0
            yield group[here], (numbers[here] / sum(numbers) if here == self.rank else 0.0)


#: The share of a process that is alone.
WHOLE = Part()
