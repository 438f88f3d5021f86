"""Nested lists, tuples and mappings of tensors and constants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["CONSTANTS", "builder", "form", "leaves", "mapped", "tensors"]

#: What may stand beside tensors: it is compared when a graph is called again.
CONSTANTS = (bool, int, float, str, type(None), torch.dtype, torch.device)


def leaves(value: Any) -> Iterator[Any]:
    """What a structure holds, in order: tensors and all else."""
    if isinstance(value, Mapping):
        for part in value.values():
            yield from leaves(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from leaves(part)
    else:
        yield value


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors of a structure, in order.

    Example:
        >>> import torch
        >>> [len(tensor) for tensor in tensors({"a": (torch.ones(2), 5), "b": [torch.ones(3)]})]
        [2, 3]
    """
    return (leaf for leaf in leaves(value) if isinstance(leaf, Tensor))


def mapped(fn: Callable[[Tensor], Any], value: Any) -> Any:
    """The same structure with `fn` of each tensor in its place.

    Example:
        >>> import torch
        >>> mapped(len, {"a": (torch.ones(2), 5), "b": None})
        {'a': (2, 5), 'b': None}
    """
    if isinstance(value, Tensor):
        return fn(value)
    if isinstance(value, Mapping):
        return {key: mapped(fn, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [mapped(fn, part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def form(value: Any) -> Any:
    """All of a structure but its tensors' numbers: shapes, types, devices, keys and constants.

    Of an object, which no graph takes, only its class.

    Example:
        >>> import torch
        >>> form([torch.ones(2)]) == form([torch.zeros(2)]) != form([torch.zeros(3)])
        True
    """
    if isinstance(value, Tensor):
        return value.shape, value.dtype, value.device
    if isinstance(value, Mapping):
        return tuple(value), tuple([form(part) for part in value.values()])
    if isinstance(value, list | tuple):
        return tuple([form(part) for part in value])
    return value if isinstance(value, CONSTANTS) else type(value)


def builder(value: Any) -> Callable[[Sequence[Tensor]], Any]:
    """Makes the structure again around other tensors, given in order.

    Its code is written once for the structure, for it runs in every step.

    Example:
        >>> import torch
        >>> build = builder({"a": (torch.ones(2), 5), "b": None})
        >>> build(["tensor"])
        {'a': ('tensor', 5), 'b': None}
    """
    kept: list[Any] = []
    number = iter(range(10**9))

    def code(part: Any) -> str:
        if isinstance(part, Tensor):
            return f"found[{next(number)}]"
        if isinstance(part, Mapping):
            return "{" + ", ".join(f"{key!r}: {code(inner)}" for key, inner in part.items()) + "}"
        if isinstance(part, list):
            return "[" + ", ".join(map(code, part)) + "]"
        if type(part) is tuple:
            return "(" + "".join(code(inner) + ", " for inner in part) + ")"
        kept.append(part)
        return f"kept[{len(kept) - 1}]"

    source = f"lambda found: {code(value)}"
    result: Callable[[Sequence[Tensor]], Any] = eval(source, {"kept": kept})
    return result
