"""A table of small clouds, for data that are sets of points in the plane or in space."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from dgmppl.pictures.cells import Cells
from dgmppl.pictures.style import BLUE, PALE

__all__ = ["CloudCells"]

MARGIN = 0.06

#: Of x, y and z in space: across and up the page, seen from the right and from above.
OBLIQUE = np.array([[0.87, -0.22], [0.5, 0.38], [0.0, 0.9]])


class CloudCells(Cells):
    """Each datum is a set of points, all cells on one scale."""

    prefers_means = False
    size = 1.0

    def paint(self, axes: Axes, cells: Tensor) -> str:
        """Points in the plane as they are, points in space obliquely from above, z up."""
        points = cells.double().numpy()
        flat = points.shape[-1] == 2
        page = points if flat else points @ OBLIQUE
        ends = page.reshape(-1, 2)
        low, high = np.nanmin(ends, 0), np.nanmax(ends, 0)
        scale = (1 - 2 * MARGIN) / max(float((high - low).max()), 1e-12)
        row, column = np.indices(page.shape[:2])
        corners = np.stack([column, row], -1)[..., None, :]
        middle = (low + high) / 2
        at = corners + 0.5 + scale * (page - middle) * np.array([1.0, -1.0])
        axes.plot(at[..., 0].ravel(), at[..., 1].ravel(), ".", color=BLUE, markersize=1.5)
        for corner in np.stack([column.ravel() + 0.02, row.ravel() + 0.02], -1):
            axes.add_patch(Rectangle(tuple(corner), 0.96, 0.96, fill=False, edgecolor=PALE))
        seen = "" if flat else ", seen obliquely"
        return f"a cell: {page.shape[2]} points{seen}"
