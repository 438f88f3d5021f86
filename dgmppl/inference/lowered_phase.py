"""A phase as graphs of its batch, its schedules' numbers and what earlier phases left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.inference.estimate import Estimate, EstimateFunction
from dgmppl.lowering import Backend, Graphs
from dgmppl.lowering.snapshot import Snapshot
from dgmppl.objectives.objective import Progress
from dgmppl.schedules import Clock, Schedule

__all__ = ["LoweredPhase"]


class LoweredPhase:
    """Estimates of a phase by graphs, with the program itself where no graph is.

    Arguments:
        eager: The phase's estimate by the program.
        modules: The program, and what the objective keeps.
        backends: As of `Graphs`.
        settings: As of `Graphs`.
    """

    def __init__(
        self,
        eager: EstimateFunction,
        modules: Sequence[nn.Module],
        backends: Sequence[Backend],
        **settings: Any,
    ):
        self.eager, self.modules = eager, modules
        self.schedules: list[Schedule] | None = None
        self.progress = Progress()
        self.graphs = Graphs(self._phase, modules, backends, **settings)

    def __call__(self, x: Any, progress: Progress) -> Estimate:
        """As the program's own."""
        self.progress = progress
        if self.schedules is None:
            self.schedules = self._read(x)
        epoch = float(progress.epoch)
        numbers = [torch.tensor(read(epoch), dtype=torch.float64) for read in self.schedules]
        names, found, gradients, left = self.graphs(x, numbers, progress.memory)
        progress.memory.update(left)
        return Estimate(names, found, gradients)

    def _phase(self, x: Any, numbers: list[Tensor], memory: dict[str, Any]) -> tuple[Any, ...]:
        """The phase as a function of tensors; a schedule is a number of the day to it."""
        kept = dict(memory)
        clock = Clock(float("nan"), iter(numbers))
        found = self.eager(x, replace(self.progress, epoch=clock, memory=kept))
        left = {name: value for name, value in kept.items() if name not in memory}
        return found.names, found.numbers, found.gradients, left

    def _read(self, x: Any) -> list[Schedule]:
        """Which schedules the phase reads, in order: found by a run that leaves nothing behind."""
        before, clock = Snapshot(self.modules), Clock(float(self.progress.epoch))
        self.eager(x, replace(self.progress, epoch=clock, memory=dict(self.progress.memory)))
        before.put_back()
        return clock.read
