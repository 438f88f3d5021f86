"""Data side by side in a table of cells, one unit wide and one high."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from dgmppl.pictures.style import GREY, INK, caption, sheet

__all__ = ["Cells"]

WIDEST = 9.0  # inches


class Cells(ABC):
    """A view that gives each datum a cell; what is in the cell is its subclass's to paint."""

    prefers_means = True

    #: Inches across one cell, where there is room.
    size = 0.55

    #: Height of a cell over its width.
    aspect = 1.0

    @abstractmethod
    def paint(self, axes: Axes, cells: Tensor) -> str:
        """Paints cells `[R, C, …]`, each one unit wide and high: row r, column c begins at (c, r).

        Returns:
            How to read a cell, or "".
        """

    def cloud(self, rows: Tensor, data: Tensor, title: str, note: str) -> Figure:
        """Rows `[N, …]` in a table that is about square; empty cells are left out at the end."""
        columns = max(1, math.ceil(math.sqrt(len(rows) * self.aspect)))
        count = max(1, len(rows) // columns)
        columns = min(columns, len(rows))
        return self.grid(rows[: count * columns].unflatten(0, (count, columns)), data, title, note)

    def pairs(self, above: Tensor, below: Tensor, title: str, note: str) -> Figure:
        """Rows of data with what became of them right below."""
        columns = min(len(above), 12)
        count = len(above) // columns
        stacked = torch.stack([above, below], 1)[: count * columns]
        cells = stacked.unflatten(0, (count, columns)).transpose(1, 2).flatten(0, 1)
        labels = ("data", "reconstructed") * count
        return self.grid(cells, above, title, note, labels, block=2)

    def grid(
        self,
        cells: Tensor,
        data: Tensor,
        title: str,
        note: str,
        rows: Sequence[str] = (),
        columns: Sequence[str] = (),
        axis: str = "",
        block: int = 0,
    ) -> Figure:
        """The table with its labels; a line sets every `block` rows apart."""
        shape = cells.shape[:2]
        wide = min(self.size, WIDEST / shape[1])
        margin = 0.3 + 0.075 * max(map(len, rows), default=0)
        width = max(4.5, wide * shape[1] + margin)
        figure = sheet(width, wide * self.aspect * shape[0] + (1.1 if columns else 0.65), title)
        axes = figure.add_subplot()
        reading = self.paint(axes, cells)
        _frame(axes, shape, rows, columns, self.aspect)
        for row in range(block, shape[0], block) if block else ():
            axes.axhline(row, color=GREY, linewidth=0.8)
        axes.set_xlabel(axis, fontsize=9, color=INK)
        caption(axes, note, reading)
        return figure


def _frame(
    axes: Axes, shape: Sequence[int], rows: Sequence[str], columns: Sequence[str], aspect: float
) -> None:
    """Labels at the middle of rows and columns, and nothing else."""
    axes.set(xlim=(0, shape[1]), ylim=(shape[0], 0), aspect=aspect)
    axes.set_yticks([i + 0.5 for i in range(len(rows))], rows)
    axes.set_xticks([i + 0.5 for i in range(len(columns))], columns)
    axes.tick_params(length=0, labelsize=8, colors=INK)
    axes.spines[:].set_visible(False)
    axes.grid(False)
