"""End learning when the validation bound no longer rises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgmppl.inference.run import Run

__all__ = ["EarlyStopping"]


@dataclass(frozen=True)
class EarlyStopping:
    """A callback that stops a run after `patience` epochs without a better validation value.

    It looks at the run's history only, so a resumed run stops where an uninterrupted one would.

    Arguments:
        patience: Epochs to wait.
        min_delta: What counts as better, nats a datum.
    """

    patience: int = 10
    min_delta: float = 0.0

    def __call__(self, run: Run) -> None:
        """Asks the run to stop where the best value is too long ago."""
        values = [row["validation"] for row in run.history.epochs if "validation" in row]
        if not values:
            raise ValueError("EarlyStopping needs a validation set. Try fit(…, validation=…).")
        best, when = -float("inf"), 0
        for epoch, value in enumerate(values):
            if value > best + self.min_delta:
                best, when = value, epoch
        if len(values) - 1 - when >= self.patience:
            run.stop(f"no better validation value since epoch {when + 1}")
