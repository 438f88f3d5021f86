"""A function of tensors and modules, turned into one graph that is called like it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.lowering.backends import Backend, Plain
from dgmppl.lowering.graph import NoGraphError, record
from dgmppl.lowering.passes import shorten
from dgmppl.lowering.slots import Slot, exchanged, slots
from dgmppl.lowering.structure import CONSTANTS, builder, leaves, mapped, tensors

__all__ = ["Lowered", "lower"]


@dataclass(frozen=True)
class Lowered:
    """A graph that is called like the function it was recorded from.

    Arguments:
        run: Flat tensors → flat tensors.
        slots: Where the modules keep their parameters and buffers.
        captured: Other tensors that the function read.
        build: Flat tensors → the function's result.
    """

    run: Callable[..., Any]
    slots: list[Slot]
    captured: list[Tensor]
    build: Callable[[Sequence[Tensor]], Any]

    @torch.no_grad()
    def __call__(self, *args: Any) -> Any:
        """The function's result. Arguments must have the form of the first ones."""
        own = [where[key] for where, key in self.slots]
        return self.build(self.run(*own, *tensors(args), *self.captured))


def lower(
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    modules: Iterable[nn.Module] = (),
    backend: Backend | None = None,
) -> Lowered:
    """Records a function once, and returns it as a graph.

    Parameters and buffers of the modules are read anew in each call, and buffers (and parameters)
    that the function changes are changed. The function may take gradients inside; none passes
    through the result. All else that it reads in Python is fixed: settings, modes, shapes.

    Arguments:
        fn: Takes structures of tensors and constants, and returns such.
        args: Arguments to record it with. The function is run on copies of them.
        modules: Modules that it uses.
        backend: What becomes of the graph; `Plain()` by default.

    Raises:
        LoweringError: If the function has no fixed graph, or the backend fails on it.

    Example:
        >>> net = nn.Linear(3, 2)
        >>> double = lower(lambda x: {"y": 2 * net(x)}, (torch.zeros(4, 3),), [net])
        >>> x = torch.rand(4, 3)
        >>> bool((double(x)["y"] == 2 * net(x)).all())
        True
    """
    held = nn.ModuleList(modules)
    own = slots(held)
    result: list[Any] = []

    def flat(*inputs: Tensor) -> list[Tensor]:
        kept = dict(zip(own, inputs, strict=False))
        given = iter(inputs[len(own) :])
        with exchanged(held, kept):
            result[:] = [fn(*mapped(lambda _: next(given), args))]
            _keep_buffers(held, kept)
        _refuse_objects(result)
        return list(tensors(result))

    _refuse_objects(args)

    copies = [_copy(tensor) for tensor in (*(t for _, t in own.values()), *tensors(args))]
    with torch.no_grad():
        graph, captured = record(flat, copies)
        graph = shorten(graph)
        run = (backend or Plain()).build(graph, [*(c.detach() for c in copies), *captured])
    return Lowered(run, [slot for slot, _ in own.values()], captured, builder(result[0]))


def _refuse_objects(value: Any) -> None:
    """A graph would keep an object's tensors as they were when it was recorded."""
    for leaf in leaves(value):
        if not isinstance(leaf, (Tensor, *CONSTANTS)):
            raise NoGraphError(f"a {type(leaf).__name__} goes in or out (only tensors can)")


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


def _keep_buffers(held: nn.Module, inputs: dict[str, Tensor]) -> None:
    """Writes buffers that were assigned anew where the caller's modules keep theirs."""
    for name, buffer in held.named_buffers():
        if buffer is not inputs[name]:
            inputs[name].copy_(buffer)
