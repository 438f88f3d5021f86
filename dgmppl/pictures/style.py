"""One look for all pictures: colours that colour-blind readers can tell apart, and bare axes."""

from __future__ import annotations

import io
import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "INK",
    "ORANGE",
    "PALE",
    "PALETTE",
    "RED",
    "canvas",
    "caption",
    "legend",
    "plain",
    "sheet",
]

LETTER = 0.065  # inches across a letter of small print, with some room
LEGEND = 2.0  # inches that a legend takes from the small print
INK, GREY, PALE = "#222222", "#7a7a7a", "#dcdcdc"
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"

#: Ten colours in an order that keeps neighbours apart.
PALETTE = (
    BLUE,
    ORANGE,
    GREEN,
    "#cc79a7",
    "#56b4e9",
    RED,
    "#332288",
    "#999933",
    "#882255",
    GREY,
)


class Picture(Figure):
    """A figure that a notebook shows by itself, whatever back end it uses."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=80)
        return buffer.getvalue()


def sheet(width: float, height: float, title: str) -> Figure:
    """An empty figure of some inches with a title; it belongs to no window and no global state.

    Example:
        >>> sheet(4.0, 3.0, "Samples").get_suptitle()
        'Samples'
    """
    figure = Picture(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")
    figure.suptitle(title, fontsize=11, fontweight="bold", color=INK)
    return figure


def canvas(width: float, height: float, title: str, note: str = "") -> tuple[Figure, Axes]:
    """A figure with one plain axes, and a note in small print under the title."""
    figure = sheet(width, height, title)
    axes = figure.add_subplot()
    plain(axes)
    caption(axes, note)
    return figure, axes


def plain(axes: Axes) -> None:
    """Keeps the left and lower frame, with a quiet grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(labelsize=8, colors=INK, color=GREY)
    axes.xaxis.label.set(fontsize=9, color=INK)
    axes.yaxis.label.set(fontsize=9, color=INK)
    axes.grid(color="#eeeeee", linewidth=0.8)
    axes.set_axisbelow(True)


def caption(axes: Axes, *notes: str) -> None:
    """Small print above an axes, broken to its width; each note begins a line."""
    grid = axes.get_gridspec()
    figure = axes.get_figure(root=True)
    assert figure is not None
    inches = figure.get_size_inches()[0] / (1 if grid is None else grid.ncols)
    inches -= LEGEND if axes.get_legend() else 0.0
    lines = [textwrap.fill(note, int(inches / LETTER)) for note in notes if note]
    axes.set_title("\n".join(lines), fontsize=8, color=GREY, pad=5)


def legend(axes: Axes, title: str | None = None) -> None:
    """A legend right of the axes, clear of the data."""
    axes.legend(
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        fontsize=8,
        title_fontsize=8,
        borderaxespad=0.0,
        handletextpad=0.4,
    )
