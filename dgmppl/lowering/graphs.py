"""A function as graphs, one for each kind of arguments: recorded, checked, then run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from dgmppl.lowering.backends import Backend
from dgmppl.lowering.graph import LoweringError, NoGraphError
from dgmppl.lowering.lower import Lowered, lower
from dgmppl.lowering.snapshot import Snapshot, refuse_differences
from dgmppl.lowering.structure import form, tensors

__all__ = ["Graphs"]

#: How often another kind of arguments than the first comes before it is worth a graph of its own.
OFTEN = 100
#: How many kinds have graphs; more would fill the memory.
MOST_KINDS = 8


class Graphs:
    """Calls a function by graphs, and the function itself where no graph is.

    A graph fixes the arguments' structure, shapes and constants and the modes of all modules. The
    first call of a kind records it, compares the graph with the function on these very arguments
    (result, buffers, random states) and returns the graph's result. Where kinds change, the
    function itself is called, and a kind that comes often is recorded, too.

    Arguments:
        fn: Structures of tensors and constants → such; see `lower`.
        modules: Modules that it uses.
        backends: What to try, in this order; none to call the function itself.
        strict: Whether to raise where nothing works, rather than go on with the function.
        say: Told in one line what was chosen, and why not what comes before it in `backends`.
        dtype: What the function computes in, whose precision is what a graph may differ by; by
            default the coarsest type of the modules' parameters.

    Example:
        >>> from dgmppl.lowering import Plain
        >>> net = nn.Linear(3, 2)
        >>> double = Graphs(lambda x: 2 * net(x), [net], [Plain()])
        >>> double(torch.zeros(4, 3)).shape, double(torch.zeros(5, 3)).shape
        (torch.Size([4, 2]), torch.Size([5, 2]))
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        modules: Sequence[nn.Module],
        backends: Sequence[Backend],
        *,
        strict: bool = False,
        say: Callable[[str], None] = lambda text: None,
        dtype: torch.dtype | None = None,
    ):
        self.fn, self.modules, self.backends = fn, modules, tuple(backends)
        self.strict, self.say = strict, say
        self.tolerance = _precision(modules, dtype) ** 0.5
        self.parts = [part for module in modules for part in module.modules()]
        self.graphs: dict[Any, Lowered | None] = {}
        self.seen: dict[Any, int] = {}

    def __call__(self, *args: Any) -> Any:
        """The function's result."""
        if not self.backends:
            return self.fn(*args)
        kind = self.kind(args)
        if kind in self.graphs:
            return (self.graphs[kind] or self.fn)(*args)
        if self.graphs:
            self.seen[kind] = self.seen.get(kind, 0) + 1
            if self.seen[kind] <= OFTEN or len(self.graphs) >= MOST_KINDS:
                return self.fn(*args)
        return self._first(kind, args)

    def kind(self, args: tuple[Any, ...]) -> Any:
        """What a graph fixes: the arguments' form and the modules' modes."""
        return form(args), tuple([part.training for part in self.parts])

    def _first(self, kind: Any, args: tuple[Any, ...]) -> Any:
        """Tries the backends on a new kind of arguments, and returns the result in any case."""
        reasons: list[str] = []
        for backend in self.backends:
            began, before = time.monotonic(), Snapshot(self.modules)
            try:
                self.graphs[kind], result = self._build(backend, args, before)
            except NoGraphError as error:
                before.put_back()
                reasons = [str(error)]
                break
            except LoweringError as error:
                before.put_back()
                reasons.append(f"not by {backend}: {error}")
                continue
            seconds = time.monotonic() - began
            self.say("; ".join([f"compiled by {backend} in {seconds:.1f} s", *reasons]))
            return result
        if self.strict:
            raise LoweringError(f"{'; '.join(reasons)}. Try compile=False.")
        self.graphs[kind] = None
        self.say(f"not compiled: {'; '.join(reasons)}")
        return self.fn(*args)

    def _build(
        self, backend: Backend, args: tuple[Any, ...], before: Snapshot
    ) -> tuple[Lowered, Any]:
        """A graph that was compared with the function, and its result."""
        expected = self.fn(*args)
        after = Snapshot(self.modules)
        before.refuse_foreign_draws(after)
        before.put_back()
        graph = lower(self.fn, args, self.modules, backend)
        before.put_back()
        result = graph(*args)
        if form(expected) != form(result):
            raise LoweringError("the graph gives a result of another form")
        wanted = [tensor.detach() for tensor in tensors(expected)]
        refuse_differences(wanted, [*tensors(result)], "result", self.tolerance)
        after.refuse_difference(Snapshot(self.modules), self.tolerance)
        return graph, result


def _precision(modules: Sequence[nn.Module], dtype: torch.dtype | None) -> float:
    """The spacing of numbers around 1."""
    if dtype is not None:
        return torch.finfo(dtype).eps
    types = {t.dtype for m in modules for t in m.parameters() if t.is_floating_point()}
    return max((torch.finfo(kind).eps for kind in types), default=torch.finfo(torch.float32).eps)
