"""A phase as graphs of its batch, its schedules' numbers and what earlier phases left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.inference.estimate import Estimate, EstimateFunction
from dgmppl.inference.mover import Mover
from dgmppl.lowering import Backend, CUDAGraphs, Graphs, slots
from dgmppl.lowering.snapshot import Snapshot
from dgmppl.objectives.objective import Progress
from dgmppl.schedules import Clock, Schedule
from dgmppl.traces import module_device

__all__ = ["LoweredPhase"]


class LoweredPhase:
    """Estimates of a phase by graphs, with the program itself where no graph is.

    On a GPU the graphs are captured as CUDA graphs, together with the move along the gradient.

    Arguments:
        eager: The phase's estimate by the program.
        modules: The program, and what the objective keeps.
        backends: As of `Graphs`.
        mover: What moves the parameters, if a CUDA graph may hold it.
        settings: As of `Graphs`.
    """

    def __init__(
        self,
        eager: EstimateFunction,
        modules: Sequence[nn.Module],
        backends: Sequence[Backend],
        *,
        mover: Mover | None = None,
        **settings: Any,
    ):
        self.eager, self.modules, self.mover = eager, modules, mover
        self.device = module_device(modules[0])
        self.places = [place for module in modules for place, _ in slots(module).values()]
        self.schedules: list[Schedule] | None = None
        self.progress = Progress()
        self.graphs = Graphs(self._phase, modules, backends, **settings)
        self.replayed: CUDAGraphs | None = None
        if self.device.type == "cuda" and any(backend.cuda_graphs for backend in backends):
            self._replay(settings)

    def _replay(self, settings: dict[str, Any]) -> None:
        """Captures what the graphs do from now on."""
        if self.mover is not None and not self.mover.capturable():
            self.mover = None
        self.replayed = CUDAGraphs(
            self._step,
            fixed=self._fixed,
            changed=self._changed,
            tolerance=self.graphs.tolerance,
            say=settings["say"],
        )

    def __call__(self, x: Any, progress: Progress) -> Estimate:
        """As the program's own; after a move where the CUDA graphs hold it."""
        self.progress = progress
        if self.schedules is None:
            self.schedules = self._read(x)
        epoch = float(progress.epoch)
        numbers = [
            torch.full((), read(epoch), dtype=torch.float64, device=self.device)
            for read in self.schedules
        ]
        run = self.replayed or self.graphs
        names, found, gradients, left = run(x, numbers, progress.memory)
        progress.memory.update(left)
        if self.replayed is None:
            return Estimate(names, found, gradients)
        # the next call writes where these numbers are, and they are read only later
        return Estimate(names, found.clone(), gradients, moved=self.mover is not None)

    def _step(self, *args: Any) -> Any:
        """The phase and, where that is its task, the move."""
        names, found, gradients, left = self.graphs(*args)
        if self.mover is not None:
            self.mover(gradients)
            gradients = ()
        return names, found, gradients, left

    def _fixed(self, *args: Any) -> Any:
        """What a CUDA graph of this call depends on; `None` where the program itself would run."""
        kind = self.graphs.kind(args)
        if self.graphs.graphs.get(kind) is None:
            return None
        held = tuple([where[key].data_ptr() for where, key in self.places])
        return kind, held, self.mover.fixed() if self.mover else ()

    def _changed(self) -> list[Tensor]:
        """Parameters, buffers, and what the optimizers keep beside them."""
        held = [where[key].detach() for where, key in self.places]
        return held + (self.mover.memory() if self.mover else [])

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
