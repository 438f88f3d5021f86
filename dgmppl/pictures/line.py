"""Data that are single numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from dgmppl.pictures.style import BLUE, GREY, PALETTE, canvas, legend

__all__ = ["Line"]


class Line:
    """Histograms of many data; curves where something moves."""

    prefers_means = False

    def cloud(self, rows: Tensor, data: Tensor, title: str, note: str) -> Figure:
        """Histograms of data and draws on the same bins."""
        figure, axes = canvas(6.5, 3.6, title, note)
        drawn, real = _numbers(rows), _numbers(data)
        bins = np.histogram_bin_edges(np.concatenate([drawn, real]), bins="auto").tolist()
        axes.hist(real, bins, density=True, color=GREY, alpha=0.5, label=f"{len(real)} data")
        axes.hist(drawn, bins, density=True, histtype="step", linewidth=1.8, color=BLUE)
        axes.plot([], [], color=BLUE, linewidth=1.8, label=f"{len(drawn)} draws")
        axes.set(xlabel="x", ylabel="density")
        legend(axes)
        return figure

    def pairs(self, above: Tensor, below: Tensor, title: str, note: str) -> Figure:
        """What became of each datum against the datum; on the diagonal they are equal."""
        figure, axes = canvas(5.0, 4.5, title, note)
        data, made = _numbers(above), _numbers(below)
        axes.axline((data.mean(), data.mean()), slope=1, color=GREY, linewidth=1, linestyle="--")
        axes.plot(data, made, "o", color=BLUE, markersize=3, alpha=0.7)
        axes.set(xlabel="data", ylabel="reconstructed")
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
        """A curve for each row."""
        figure, axes = canvas(6.5, 3.6, title, note)
        for row, label, colour in zip(cells.flatten(1), rows, PALETTE, strict=False):
            axes.plot(_numbers(row), "-o", color=colour, markersize=3, label=label)
        axes.set_xticks(range(cells.shape[1]), columns)
        axes.set(xlabel=axis, ylabel="x")
        legend(axes)
        return figure


def _numbers(rows: Tensor) -> np.ndarray:
    return rows.reshape(-1).double().numpy()
