"""A phase as graphs: recorded at its first batch, checked against the program, then run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import dgmppl.inference.randomness as randomness
from dgmppl.inference.estimate import Estimate, EstimateFunction
from dgmppl.lowering import Backend, Lowered, LoweringError, lower
from dgmppl.objectives.objective import Progress
from dgmppl.schedules import Clock, Schedule

__all__ = ["LoweredPhase"]

#: How often another kind of batch than the first comes before it is worth a graph of its own.
OFTEN = 100
#: How many kinds of batches have graphs; more would fill the memory.
MOST_KINDS = 8


@dataclass(frozen=True)
class Recorded:
    """A graph of a phase: numbers, gradients and what is left in memory.

    Arguments:
        graph: From batch, schedules' numbers and memory.
        schedules: Whose numbers of the day it takes.
        names: What the numbers are.
        moved: Which parameters have a gradient.
    """

    graph: Lowered
    schedules: tuple[Schedule, ...]
    names: tuple[str, ...]
    moved: tuple[bool, ...]

    def __call__(self, x: Any, progress: Progress) -> Estimate:
        """The estimate; what the phase leaves in memory is there afterwards."""
        inputs = [*_tensors(x), *_now(self.schedules, progress), *_tensors(progress.memory)]
        found = self.graph.flat(inputs)
        one = iter(found)
        numbers = next(one)
        gradients = tuple([next(one) if moved else None for moved in self.moved])
        if next(one, None) is not None:
            progress.memory.update(self.graph.structured(found)[-1])
        return Estimate(self.names, numbers, gradients)


class LoweredPhase:
    """Estimates of a phase by graphs, with the program itself where no graph is.

    A graph fixes the structure and shapes of the batch and the modes of all modules. Where these
    change, the program runs, and a kind of batch that comes often is recorded, too.

    Arguments:
        eager: The phase's estimate by the program.
        modules: The program, and what the objective keeps.
        backends: What to try, in this order.
        dtype: What the phase computes in; its precision is what a graph may differ by.
        strict: Whether to raise where nothing works, rather than go on with the program.
        say: Told in one line what was chosen, and why not what comes before it in `backends`.
    """

    def __init__(
        self,
        eager: EstimateFunction,
        modules: Sequence[nn.Module],
        backends: Sequence[Backend],
        dtype: torch.dtype,
        strict: bool,
        say: Callable[[str], None],
    ):
        self.eager, self.modules, self.strict, self.say = eager, modules, strict, say
        self.backends, self.tolerance = tuple(backends), torch.finfo(dtype).eps ** 0.5
        self.parts = [part for module in modules for part in module.modules()]
        self.graphs: dict[Any, Recorded | None] = {}
        self.seen: dict[Any, int] = {}

    def __call__(self, x: Any, progress: Progress) -> Estimate:
        """As the program's own."""
        key = self._kind(x, progress)
        if key in self.graphs:
            found = self.graphs[key]
            return self.eager(x, progress) if found is None else found(x, progress)
        if self.graphs:
            self.seen[key] = self.seen.get(key, 0) + 1
            if self.seen[key] <= OFTEN or len(self.graphs) >= MOST_KINDS:
                return self.eager(x, progress)
        return self._first(key, x, progress)

    def _kind(self, x: Any, progress: Progress) -> Any:
        """All that a graph fixes."""
        modes = tuple([part.training for part in self.parts])
        if isinstance(x, Tensor) and not progress.memory:
            return x.shape, x.dtype, x.device, modes
        leaves, spec = pytree.tree_flatten((x, progress.memory))
        forms = tuple(
            (leaf.shape, leaf.dtype, leaf.device) if isinstance(leaf, Tensor) else leaf
            for leaf in leaves
        )
        return spec, forms, modes

    def _first(self, key: Any, x: Any, progress: Progress) -> Estimate:
        """Tries the backends on a new kind of batch; takes this step in any case."""
        reasons = []
        for backend in self.backends:
            began, before = time.monotonic(), _State(self.modules)
            try:
                self.graphs[key], estimate = self._build(backend, x, progress, before)
            except LoweringError as error:
                before.put_back()
                reasons.append(f"not by {backend}: {error}")
                continue
            seconds = time.monotonic() - began
            self.say("; ".join([f"compiled by {backend} in {seconds:.1f} s", *reasons]))
            return estimate
        if self.strict:
            raise LoweringError(f"{'; '.join(reasons)}. Try compile=False.")
        self.graphs[key] = None
        self.say("; ".join(["not compiled", *reasons]))
        return self.eager(x, progress)

    def _build(
        self, backend: Backend, x: Any, progress: Progress, before: _State
    ) -> tuple[Recorded, Estimate]:
        """A graph that was compared with the program on this batch, and its estimate."""
        clock = Clock(float(progress.epoch))
        memory = dict(progress.memory)
        expected = self.eager(x, replace(progress, epoch=clock, memory=memory))
        after = _State(self.modules)
        before.refuse_foreign_draws(after)
        before.put_back()
        schedules = tuple(clock.read)
        arguments = (x, _now(schedules, progress), dict(progress.memory))

        def phase(x: Any, numbers: list[Tensor], memory: dict[str, Any]) -> Any:
            clock = Clock(float("nan"), iter(numbers))
            kept = dict(memory)
            found = self.eager(x, replace(progress, epoch=clock, memory=kept))
            _refuse_objects(kept)
            return found.numbers, found.gradients, kept

        graph = lower(phase, arguments, self.modules, backend)
        moved = tuple(gradient is not None for gradient in expected.gradients)
        recorded = Recorded(graph, schedules, expected.names, moved)
        before.put_back()
        left = replace(progress, memory=dict(progress.memory))
        estimate = recorded(x, left)
        self._compare(expected, estimate)
        after.refuse_difference(_State(self.modules), self.tolerance)
        progress.memory.update(left.memory)
        return recorded, estimate

    def _compare(self, expected: Estimate, found: Estimate) -> None:
        """Refuses a graph whose estimate is not the program's."""
        _refuse_difference(expected.numbers, found.numbers, "loss", self.tolerance)
        for a, b in zip(expected.gradients, found.gradients, strict=True):
            if (a is None) is not (b is None):
                raise LoweringError("a gradient is missing")
            if a is not None and b is not None:
                _refuse_difference(a, b, "gradient", self.tolerance)


def _tensors(value: Any) -> list[Tensor]:
    """The tensors of a structure."""
    if isinstance(value, Tensor):
        return [value]
    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, Tensor)]


def _now(schedules: Sequence[Schedule], progress: Progress) -> list[Tensor]:
    """The schedules' numbers."""
    return [
        torch.tensor(schedule(float(progress.epoch)), dtype=torch.float64) for schedule in schedules
    ]


def _refuse_objects(memory: dict[str, Any]) -> None:
    for name, value in memory.items():
        for leaf in pytree.tree_leaves(value):
            if not isinstance(leaf, Tensor | int | float | str | bool | None):
                raise LoweringError(
                    f"a phase leaves '{name}', a {type(leaf).__name__}, to a later one (only "
                    "tensors can be)"
                )


class _State:
    """What a phase may change: parameters, buffers and random states."""

    def __init__(self, modules: Sequence[nn.Module]):
        tensors = [t for m in modules for t in (*m.parameters(), *m.buffers())]
        self.tensors = [(tensor, tensor.detach().clone()) for tensor in tensors]
        self.random = randomness.snapshot()

    @torch.no_grad()
    def put_back(self) -> None:
        """As it was."""
        for tensor, kept in self.tensors:
            tensor.copy_(kept)
        randomness.restore(self.random)

    def refuse_foreign_draws(self, after: _State) -> None:
        """Refuses a program that draws what no graph records."""
        for name in ("numpy", "python"):
            if not torch.equal(self.random[name], after.random[name]):
                raise LoweringError(f"{name} draws random numbers (only PyTorch's are recorded)")

    def refuse_difference(self, other: _State, tolerance: float) -> None:
        """Refuses a graph that changed buffers or random states otherwise than the program."""
        for (_, a), (_, b) in zip(self.tensors, other.tensors, strict=True):
            _refuse_difference(a, b, "buffer", tolerance)
        for name, state in self.random.items():
            if not torch.equal(state, other.random[name]):
                raise LoweringError("the graph draws another number of random numbers")


def _refuse_difference(a: Tensor, b: Tensor, what: str, tolerance: float) -> None:
    if not a.is_floating_point():
        if not torch.equal(a, b):
            raise LoweringError(f"the graph gives another {what}")
        return
    largest = float(a.abs().amax()) if a.numel() else 0.0
    if not torch.allclose(a, b, rtol=tolerance, atol=tolerance * largest, equal_nan=True):
        error = float((a - b).abs().amax()) / (largest or 1.0)
        raise LoweringError(f"the graph gives another {what} (relative error {error:.1g})")
