"""A function's kernels as CUDA graphs: launched all at once, without Python between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

import dgmppl.randomness as randomness
from dgmppl.lowering.graph import LoweringError
from dgmppl.lowering.snapshot import refuse_differences
from dgmppl.lowering.structure import mapped, tensors

__all__ = ["CUDAGraphs"]

#: Calls before a capture: kernels are chosen and loaded, and optimizers make their state.
WARM_UP = 2
#: How many kinds of calls have graphs; the oldest makes room.
MOST_KINDS = 8


class CUDAGraphs:
    """Calls a function of a GPU's tensors by CUDA graphs, one for each kind of call.

    A CUDA graph repeats kernels on the memory, and with the host's numbers, that it was captured
    with. The arguments are copied to where those of the capture were; all else that may change
    belongs into `fixed`. A kind of calls is captured at the third of them; at the fourth the graph
    is compared with the function itself, from the same state, and used from then on.

    The results lie in memory that the next call overwrites.

    Arguments:
        fn: Structures of tensors and constants → such; it may change tensors in place.
        fixed: Called like it. What a graph of that call depends on, as something comparable: the
            arguments' form, addresses of other tensors that it reads or changes, numbers; `None`
            where it must not be captured.
        changed: The tensors that it changes in place.
        tolerance: The relative error that counts as equal.
        say: Told in one line why a kind is not captured.

    References:
        Getting Started with CUDA Graphs, Alan Gray, 2019.
        https://developer.nvidia.com/blog/cuda-graphs
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        fixed: Callable[..., Any],
        changed: Callable[[], Sequence[Tensor]],
        tolerance: float,
        say: Callable[[str], None] = lambda text: None,
    ):
        self.fn, self.fixed, self.changed = fn, fixed, changed
        self.tolerance, self.say = tolerance, say
        self.graphs: dict[Any, _Captured | None] = {}
        self.calls: dict[Any, int] = {}

    def __call__(self, *args: Any) -> Any:
        """The function's result."""
        kind = self.fixed(*args)
        if kind is None:
            return self.fn(*args)
        graph = self.graphs.get(kind)
        if graph is not None and graph.checked:
            return graph(args)
        calls = self.calls[kind] = self.calls.get(kind, 0) + 1
        if calls == WARM_UP + 1:
            self._capture(kind, args)
        elif graph is not None:
            return self._check(kind, graph, args)
        return self.fn(*args)

    def _capture(self, kind: Any, args: tuple[Any, ...]) -> None:
        """Takes the kernels down; none is run."""
        while len(self.graphs) >= MOST_KINDS:
            oldest = next(iter(self.graphs))
            del self.graphs[oldest], self.calls[oldest]
        self.graphs[kind] = None
        try:
            self.graphs[kind] = _Captured(self.fn, args)
        except RuntimeError as error:
            for generator in torch.cuda.default_generators:  # they would wait for its end
                generator.graphsafe_set_state(generator.clone_state())
            self.say(f"no CUDA graph: {str(error).strip().splitlines()[0]}")

    def _check(self, kind: Any, graph: _Captured, args: tuple[Any, ...]) -> Any:
        """Runs the function and the graph from one state, and returns the result."""
        before, random = [tensor.clone() for tensor in self.changed()], randomness.snapshot()
        expected = mapped(Tensor.clone, self.fn(*args))
        after, random_after = [tensor.clone() for tensor in self.changed()], randomness.snapshot()
        _put(self.changed(), before)
        randomness.restore(random)
        result = graph(args)
        try:
            pair = [*tensors(expected)], [*tensors(result)]
            refuse_differences(*pair, "result", self.tolerance)
            refuse_differences(after, [*self.changed()], "state", self.tolerance)
            graph.checked = True
            self.say("a CUDA graph from now on")
            return result
        except LoweringError as error:
            self.say(f"no CUDA graph: {error}")
            self.graphs[kind] = None
            _put(self.changed(), after)
            randomness.restore(random_after)
            return expected


class _Captured:
    """One CUDA graph and the memory that it works on."""

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...]):
        self.checked = False
        self.inputs = [tensor.clone() for tensor in tensors(args)]
        given = iter(self.inputs)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.result = fn(*mapped(lambda _: next(given), args))

    def __call__(self, args: tuple[Any, ...]) -> Any:
        for kept, tensor in zip(self.inputs, tensors(args), strict=True):
            kept.copy_(tensor, non_blocking=True)
        self.graph.replay()
        return self.result


@torch.no_grad()
def _put(places: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for place, value in zip(places, values, strict=True):
        place.copy_(value)
