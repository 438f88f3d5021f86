"""A table of texts."""

from __future__ import annotations

import math
import textwrap

from matplotlib.axes import Axes
from torch import Tensor

from dgmppl.data import spell
from dgmppl.pictures.cells import Cells
from dgmppl.pictures.style import INK

__all__ = ["TextCells"]

#: Inches that a letter takes across, and a line down.
LETTER, LINE = 0.075, 0.15
#: Most letters in a line.
WIDEST_LINE = 50


class TextCells(Cells):
    """Each datum is a text, letter by letter.

    Arguments:
        alphabet: The characters, in the order of their numbers.
        length: Of a text.
    """

    prefers_means = False

    def __init__(self, alphabet: str, length: int):
        self.alphabet, self.columns = alphabet, min(length, WIDEST_LINE)
        lines = 1 if length <= WIDEST_LINE else 2 * math.ceil(length / WIDEST_LINE)
        self.size = LETTER * (self.columns + 3)
        self.aspect = LINE * (lines + 1) / self.size

    def paint(self, axes: Axes, cells: Tensor) -> str:
        """Lines break where the text's own do, and where they are full."""
        for r, row in enumerate(cells.tolist()):
            for c, numbers in enumerate(row):
                own = spell(numbers, self.alphabet).split("\n")
                lines = [part for line in own for part in textwrap.wrap(line, self.columns) or [""]]
                axes.text(
                    c + 0.03,
                    r + 0.05,
                    "\n".join(lines),
                    family="monospace",
                    fontsize=7,
                    color=INK,
                    va="top",
                    clip_on=True,
                    parse_math=False,
                )
        return ""
