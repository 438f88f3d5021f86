"""What a person sees while a program learns."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["Display", "row_text"]

#: About how many lines a run prints where there is no terminal.
LINES = 20


class Display:
    """A progress bar with the bound and its terms; without a terminal, about twenty lines.

    Arguments:
        epochs: Epochs of the run.
        steps: Steps an epoch.
        shown: Whether to show anything.
        measure: What the objective's value is.
    """

    def __init__(self, epochs: int, steps: int, shown: bool, measure: str = "bound"):
        self.measure = measure
        self.console = Console(stderr=True, quiet=not shown)
        self.epochs, self.steps = epochs, steps
        self.live = shown and self.console.is_terminal
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self.progress = Progress(*columns, console=self.console, disable=not self.live)
        self.task = self.progress.add_task("", total=epochs * steps)

    def __enter__(self) -> Display:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def step(self, row: dict[str, Any]) -> None:
        """After a step."""
        if self.live:
            text = f"epoch {int(row['epoch'])}/{self.epochs} {row_text(row, self.measure)}"
            self.progress.update(self.task, completed=row["step"], description=text)

    def say(self, text: str) -> None:
        """A line of its own."""
        self.console.print(text, highlight=False, markup=False)

    def epoch(self, row: dict[str, Any]) -> None:
        """After an epoch."""
        seconds = f"  {row['seconds']:.1f} s"
        text = f"epoch {row['epoch']}/{self.epochs}  {row_text(row, self.measure)}{seconds}"
        every = max(1, self.epochs // LINES)
        if not self.live and (row["epoch"] % every == 0 or row["epoch"] == self.epochs):
            self.console.print(text, highlight=False)


def row_text(row: dict[str, Any], measure: str = "bound") -> str:
    """The value, that of the validation data and the terms of a row, nats a datum.

    Example:
        >>> row_text({"epoch": 1, "value": -90.0, "kl_z": 25.0, "x": -65.0, "seconds": 1.0})
        'bound -90.00  kl_z 25.00  x -65.00'
    """
    hidden = ("epoch", "step", "phase", "seconds", "value", "validation", "batch")
    parts = [f"{measure} {row['value']:.2f}"] if "value" in row else []
    parts += [f"validation {row['validation']:.2f}"] if "validation" in row else []
    parts += [f"{name} {value:.2f}" for name, value in row.items() if name not in hidden]
    return "  ".join(parts)
