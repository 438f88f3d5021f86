"""A run: a program being learned, or one that has been."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from dgmppl.inference.history import History
from dgmppl.objectives.objective import Objective

__all__ = ["Run"]


@dataclass
class Run:
    """What `fit` returns, and what its callbacks are given.

    Arguments:
        program: The program, learned in place (with the exchanged guide where one was given).
        objective: What it was learned by.
        history: Every step and epoch.
        directory: Where checkpoints and metrics are, or `None`: there are none, or another process
            writes them.
        settings: What was asked for, as JSON values.
        epoch: Epochs done.
        step: Steps done.
        seconds: Wall time of learning in this process.
        reason: Why the run ended before its last epoch, or "".
        notes: What was compiled and how, a line a phase.
    """

    program: nn.Module
    objective: Objective
    history: History
    directory: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    reason: str = ""
    notes: list[str] = field(default_factory=list)

    def stop(self, reason: str) -> None:
        """Ends the run after the present epoch; for callbacks."""
        self.reason = reason
