"""A function of tensors and modules, turned into one graph that is called like it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from dgmppl.lowering.backends import Backend, Plain
from dgmppl.lowering.graph import record
from dgmppl.lowering.passes import shorten
from dgmppl.lowering.slots import Slot, exchanged, slots

__all__ = ["Lowered", "lower"]


@dataclass(frozen=True)
class Lowered:
    """A graph that is called like the function it was recorded from.

    Arguments:
        run: Flat tensors → flat tensors.
        slots: Where the modules keep their parameters and buffers: dict and key.
        captured: Other tensors that the function read.
        result: The structure of the result, and its leaves, `None` in the place of tensors.
    """

    run: Callable[..., Any]
    slots: list[Slot]
    captured: list[Tensor]
    result: tuple[pytree.TreeSpec, list[Any]]

    def __call__(self, *args: Any) -> Any:
        """The function's result. Arguments must have the structure and shapes of the first ones."""
        found = self.flat([leaf for leaf in pytree.tree_leaves(args) if isinstance(leaf, Tensor)])
        return self.structured(found)

    @torch.no_grad()
    def flat(self, leaves: list[Tensor]) -> list[Tensor]:
        """The tensors of the result, from those of the arguments."""
        inputs = [where[key] for where, key in self.slots]
        return list(self.run(*inputs, *leaves, *self.captured))

    def structured(self, tensors: list[Tensor]) -> Any:
        """The function's result from its tensors."""
        one = iter(tensors)
        spec, kept = self.result
        return pytree.tree_unflatten([next(one) if k is _TENSOR else k for k in kept], spec)


class _Tensor:
    """Stands for a tensor among a structure's leaves."""


_TENSOR = _Tensor()


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
    leaves, given = pytree.tree_flatten(args)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
    result: list[Any] = []

    def flat(*inputs: Tensor) -> list[Tensor]:
        tensors = dict(zip(own, inputs, strict=False))
        filled = list(leaves)
        for place, tensor in zip(places, inputs[len(own) :], strict=True):
            filled[place] = tensor
        with exchanged(held, tensors):
            found = fn(*pytree.tree_unflatten(filled, given))
            _keep_buffers(held, tensors)
        parts, spec = pytree.tree_flatten(found)
        result[:] = spec, [_TENSOR if isinstance(part, Tensor) else part for part in parts]
        return [part for part in parts if isinstance(part, Tensor)]

    copies = [_copy(tensor) for _, tensor in own.values()] + [_copy(leaves[i]) for i in places]
    with torch.no_grad():
        graph, captured = record(flat, copies)
        graph = shorten(graph)
        run = (backend or Plain()).build(graph, [*(c.detach() for c in copies), *captured])
    return Lowered(run, [slot for slot, _ in own.values()], captured, (result[0], result[1]))


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_(tensor.requires_grad)


def _keep_buffers(held: nn.Module, inputs: dict[str, Tensor]) -> None:
    """Writes buffers that were assigned anew where the caller's modules keep theirs."""
    for name, buffer in held.named_buffers():
        if buffer is not inputs[name]:
            inputs[name].copy_(buffer)
