"""A table of small curves, for data that are neither pictures nor one or two numbers."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from torch import Tensor

from dgmppl.pictures.cells import Cells
from dgmppl.pictures.style import BLUE, PALE

__all__ = ["CurveCells"]

MARGIN = 0.08
MOST_DOTS = 8


class CurveCells(Cells):
    """Each datum is a curve over its features, all cells on one scale."""

    size = 0.8
    aspect = 0.7

    def paint(self, axes: Axes, cells: Tensor) -> str:
        """Features run from left to right, dots mark them where they are few; NaN is a gap."""
        values = cells.flatten(2).double().numpy()
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        rows, columns, features = values.shape
        row, column = np.indices((rows, columns))
        room = 1 - 2 * MARGIN
        across = column[..., None] + np.linspace(2 * MARGIN, 1 - 2 * MARGIN, features)
        up = row[..., None] + 1 - MARGIN - room * (values - low) / max(high - low, 1e-12)
        curves = np.stack([across, up], -1).reshape(-1, features, 2)
        axes.add_collection(LineCollection(list(curves), colors=BLUE, linewidths=1.2))
        if features <= MOST_DOTS:
            axes.plot(across.ravel(), up.ravel(), "o", color=BLUE, markersize=2)
        for corner in zip(column.ravel() + 0.03, row.ravel() + 0.03, strict=True):
            axes.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=PALE))
        return f"a cell: {features} features, from {low:.3g} (bottom) to {high:.3g} (top)"
