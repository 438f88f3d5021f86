"""Data that are points in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from dgmppl.pictures.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALETTE,
    canvas,
    caption,
    legend,
    plain,
    sheet,
)

__all__ = ["Plane"]

MOST_PATHS = len(PALETTE)


class Plane:
    """Each datum is a point; data are grey, what the program makes is coloured."""

    prefers_means = False

    def cloud(self, rows: Tensor, data: Tensor, title: str, note: str) -> Figure:
        """Data and draws beside each other on the same scale."""
        figure = sheet(7.5, 4.2, title)
        panels = figure.subplots(1, 2)
        limits = _limits(rows, data)
        for axes, points, colour, name in zip(
            panels, (data, rows), (GREY, BLUE), ("data", "draws"), strict=True
        ):
            _plane(axes)
            axes.set(**limits, adjustable="box")
            _scatter(axes, points, colour)
            caption(
                axes, f"{len(points)} {name}" + (f", {note}" if name == "draws" and note else "")
            )
        return figure

    def pairs(self, above: Tensor, below: Tensor, title: str, note: str) -> Figure:
        """A line from each datum to what became of it."""
        figure, axes = canvas(6.0, 4.5, title, note)
        _plane(axes)
        ends = np.stack([_points(above), _points(below)], 1)
        axes.add_collection(LineCollection(list(ends), colors=ORANGE, linewidths=0.9, zorder=1))
        _scatter(axes, above, GREY, "data")
        _scatter(axes, below, BLUE, "reconstructed")
        legend(axes)
        return figure

    def grid(
        self,
        cells: Tensor,
        data: Tensor,
        title: str,
        note: str,
        rows: Sequence[str] = (),
        columns: Sequence[str] = (),
        axis: str = "",
    ) -> Figure:
        """A path for each row, over the data; a ring is where it begins."""
        figure, axes = canvas(6.5, 4.8, title)
        _plane(axes)
        _scatter(axes, data, GREY, "data")
        for path, label, colour in zip(cells, rows, PALETTE, strict=False):
            points = _points(path)
            axes.plot(*points.T, "-o", color=colour, markersize=3, linewidth=1.6, label=label)
            axes.plot(
                *points[0], "o", color=colour, markersize=8, markerfacecolor="white", zorder=4
            )
        legend(axes)
        reach = f"{axis}: {columns[0]} (ring) to {columns[-1]}" if columns else ""
        caption(axes, note, reach)
        return figure


def _limits(*clouds: Tensor) -> dict[str, tuple[float, float]]:
    """A square that holds all points."""
    points = np.concatenate([_points(rows) for rows in clouds])
    middle = (points.max(0) + points.min(0)) / 2
    reach = 0.53 * max(float(np.ptp(points, 0).max()), 1e-9)
    return {
        f"{axis}lim": (centre - reach, centre + reach)
        for axis, centre in zip("xy", middle.tolist(), strict=True)
    }


def _plane(axes: Axes) -> None:
    plain(axes)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("x[0]", color=INK)
    axes.set_ylabel("x[1]", color=INK)


def _scatter(axes: Axes, rows: Tensor, colour: str, label: str | None = None) -> None:
    size = 6.0 if len(rows) > 300 else 12.0
    points = _points(rows)
    style: dict[str, Any] = {
        "color": colour,
        "label": label,
        "alpha": 0.6,
        "linewidths": 0,
        "zorder": 2,
    }
    axes.scatter(points[:, 0], points[:, 1], s=size, **style)


def _points(rows: Tensor) -> np.ndarray:
    return rows.reshape(len(rows), 2).double().numpy()
