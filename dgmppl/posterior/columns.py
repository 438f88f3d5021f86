"""Arrays that are filled chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Columns"]


@dataclass
class Columns:
    """Variables of one group, all as long; the whole of each is reserved at its first part.

    Arguments:
        length: S, the number of draws.
        events: Whether variables keep the event dimensions of their sites.
        arrays: Variable → `[S, *plates, *event]`.
        plates: Variable → the names of its plates.

    Example:
        >>> columns = Columns(3)
        >>> columns.put("z", 0, np.zeros((2, 4)), ("data",))
        >>> columns.put("z", 2, np.ones((1, 4)), ("data",))
        >>> columns.arrays["z"].sum()
        np.float64(4.0)
    """

    length: int
    events: bool = True
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    plates: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def put(self, name: str, start: int, part: np.ndarray, plates: tuple[str, ...]) -> None:
        """Writes draws `start`, `start` + 1, … of a variable.

        Arguments:
            name: The variable.
            start: The first draw's place.
            part: `[draws, *plates, *event]`.
            plates: The plates' names.
        """
        if name not in self.arrays:
            self.arrays[name] = np.empty((self.length, *part.shape[1:]), part.dtype)
            self.plates[name] = plates
        self.arrays[name][start : start + len(part)] = part
