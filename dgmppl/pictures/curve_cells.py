"""A table of small curves, for data that are neither pictures nor points in the plane."""

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


class CurveCells(Cells):
    """Each datum is a curve over its features, all cells on one scale."""

    size = 0.8
    aspect = 0.7

    def paint(self, axes: Axes, cells: Tensor) -> str:
        """Features run from left to right; a single feature is a bar."""
        values = (
            cells.flatten(2).double().numpy()
            if cells.dim() > 2
            else cells[..., None].double().numpy()
        )
        low, high = float(values.min()), float(values.max())
        share = (values - low) / max(high - low, 1e-12)
        across = _across(values.shape[2])
        curves = [
            np.column_stack(
                [
                    column + across,
                    row + 1 - MARGIN - (1 - 2 * MARGIN) * np.resize(heights, len(across)),
                ]
            )
            for row, line in enumerate(share)
            for column, heights in enumerate(line)
        ]
        for row in range(values.shape[0]):
            for column in range(values.shape[1]):
                axes.add_patch(
                    Rectangle((column + 0.03, row + 0.03), 0.94, 0.94, fill=False, edgecolor=PALE)
                )
        axes.add_collection(LineCollection(curves, colors=BLUE, linewidths=1.2))
        if values.shape[2] <= 8:
            points = np.concatenate(curves)
            axes.scatter(points[:, 0], points[:, 1], s=4, color=BLUE)
        features = f"{values.shape[2]} features" if values.shape[2] > 1 else "one feature"
        return f"a cell: {features}, from {low:.3g} (bottom) to {high:.3g} (top)"


def _across(features: int) -> np.ndarray:
    """Where features lie between a cell's left (0) and right (1)."""
    return np.linspace(2 * MARGIN, 1 - 2 * MARGIN, max(features, 2))
