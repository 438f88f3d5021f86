"""How learning went."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dgmppl.inference import History
from dgmppl.pictures.error import PictureError
from dgmppl.pictures.style import INK, PALETTE, caption, legend, plain, sheet

__all__ = ["losses"]

PLACES = frozenset({"step", "epoch", "batch", "phase", "value"})


def losses(history: History, measure: str = "bound") -> Figure:
    """The objective's value by step, its mean on held-out data by epoch, and its terms.

    Arguments:
        history: A run's history.
        measure: What the value is: `run.objective.measure`.

    Returns:
        A figure; single steps are pale, their moving average over a fiftieth of the run is not.

    Raises:
        PictureError: If no step was taken.

    Example:
        >>> history = History()
        >>> for step in range(1, 4):
        ...     history.add("steps", {"step": step, "epoch": 1, "value": -1.0, "x": -1.0})
        >>> losses(history).get_suptitle()
        'Learning'
    """
    if not history.steps:
        raise PictureError(
            "Expected at least one step of learning, got an empty history. Try epochs=1."
        )
    values = _curves(history, lambda row: {row.get("phase", "value"): row.get("value")})
    terms = _curves(
        history, lambda row: {_readable(k): v for k, v in row.items() if k not in PLACES}
    )
    if len(values) == 1:
        values = {"training data": next(iter(values.values()))}
    figure = sheet(7.5, 5.5 if terms else 3.4, "Learning")
    panels = figure.subplots(2 if terms else 1, 1, sharex=True, squeeze=False)[:, 0]
    nats = " (nats a datum)" if measure == "bound" else ""
    _draw(panels[0], values, measure + nats)
    _validation(panels[0], history)
    legend(panels[0])
    if terms:
        _draw(panels[1], terms, "terms" + nats)
        legend(panels[1])
    panels[-1].set_xlabel("step")
    caption(panels[0], f"{len(history.epochs)} epochs, {history.steps[-1].get('step', 0)} steps")
    return figure


def _curves(history: History, pick: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name → steps and numbers."""
    points: dict[str, list[tuple[float, float]]] = {}
    for count, row in enumerate(history.steps, 1):
        for name, number in pick(row).items():
            if isinstance(number, int | float):
                points.setdefault(name, []).append((row.get("step", count), number))
    return {name: tuple(np.array(pairs, float).T) for name, pairs in points.items()}


def _draw(axes: Axes, curves: dict[str, tuple[np.ndarray, np.ndarray]], label: str) -> None:
    """Pale steps under their moving average; the first steps may leave the panel."""
    plain(axes)
    lows, highs = [], []
    for (name, (steps, numbers)), colour in zip(curves.items(), PALETTE * 9, strict=False):
        smooth = _smoothed(numbers)
        marker = "o" if len(steps) == 1 else ""
        axes.plot(steps, numbers, color=colour, alpha=0.25, linewidth=0.7)
        axes.plot(steps, smooth, color=colour, linewidth=1.6, marker=marker, label=name)
        lows.append(np.percentile(smooth, 2))
        highs.append(np.percentile(smooth, 98))
    room = 0.08 * (max(highs) - min(lows)) or 1.0
    axes.set_ylim(min(lows) - room, max(highs) + 2 * room)
    axes.set_ylabel(label)


def _validation(axes: Axes, history: History) -> None:
    """Dots at the last step of each epoch."""
    ends = {row["epoch"]: row["step"] for row in history.steps if {"epoch", "step"} <= row.keys()}
    points = [
        (ends[r["epoch"]], r["validation"])
        for r in history.epochs
        if "validation" in r and r["epoch"] in ends
    ]
    if points:
        axes.plot(
            *zip(*points, strict=True),
            "o",
            color=INK,
            markersize=2.5,
            label="held-out data",
            zorder=3,
        )


def _smoothed(numbers: np.ndarray) -> np.ndarray:
    """A centred moving average; at the ends, of the part of its window that there is."""
    half = len(numbers) // 100
    total = np.concatenate([[0.0], np.cumsum(numbers)])
    place = np.arange(len(numbers))
    left, right = np.maximum(place - half, 0), np.minimum(place + half + 1, len(numbers))
    return (total[right] - total[left]) / (right - left)


def _readable(name: str) -> str:
    """A term's name in words."""
    kind, _, what = name.partition("_")
    if kind in ("kl", "loss") and what:
        return f"KL of {what}" if kind == "kl" else f"loss of the {what}"
    return name if name == "penalty" else f"site {name}"
