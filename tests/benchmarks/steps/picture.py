"""Ratios as bars, a group a workload."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dgmppl.pictures.style import BLUE, GREEN, GREY, INK, ORANGE, PALETTE, canvas, legend

from .figures import limit, rows
from .race import Race
from .registry import CONTENDERS, REFERENCE

__all__ = ["picture"]

#: Grey by hand, blue dgmppl; the paler one of a family is eager.
COLOURS = {
    "hand": "#bdbdbd",
    "hand-compiled": GREY,
    "hand-captured": INK,
    "pyro": ORANGE,
    "numpyro": GREEN,
    "dgmppl": PALETTE[4],
    "dgmppl-compiled": BLUE,
}
THICK = 0.13


def picture(races: Sequence[Race]) -> Figure:
    """Time of a step by that of the hand-written eager one, milliseconds beside each bar."""
    note = f"ratio to {CONTENDERS[REFERENCE].label}, one thread; shorter is faster"
    height = 1.0 + 1.05 * len(races)
    figure, axes = canvas(8.0, height, "Time of a training step", note)
    shown = [name for name in CONTENDERS if any(name in race.measured for race in races)]
    for group, race in enumerate(races):
        _bars(axes, group, race, shown)
    axes.axvline(1.0, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    axes.set_yticks(range(len(races)), [race.workload.name for race in races])
    axes.set_ylim(len(races) - 0.5, -0.5)
    axes.set_xlim(right=1.12 * axes.get_xlim()[1])  # room for the last label
    axes.set_xlabel("× by hand, eager")
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    for name in shown:
        axes.barh([0], [0], color=COLOURS[name], label=CONTENDERS[name].label)
    if any(limit(race) for race in races):
        axes.plot([], [], color=INK, linewidth=1.5, label="its products alone")
    legend(axes)
    return figure


def _bars(axes: Axes, group: int, race: Race, shown: Sequence[str]) -> None:
    """A workload's bars, and a line where its products alone would end."""
    places = {name: group + (i - (len(shown) - 1) / 2) * THICK for i, name in enumerate(shown)}
    found = {row.name: row for row in rows(race)}
    for name in shown:
        if name in found:
            row = found[name]
            axes.barh(places[name], row.ratio, 0.9 * THICK, color=COLOURS[name])
            label = f" {row.milliseconds:.2f} ms"
            axes.text(row.ratio, places[name], label, va="center", fontsize=6.5, color=INK)
    if "products" in found:
        half = (len(shown) / 2) * THICK
        axes.vlines(found["products"].ratio, group - half, group + half, color=INK, linewidth=1.5)
