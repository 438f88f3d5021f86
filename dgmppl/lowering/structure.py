"""Nested lists, tuples and mappings of tensors and constants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

__all__ = ["builder", "form", "mapped", "tensors"]


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors of a structure, in order.

    Example:
        >>> import torch
        >>> [len(tensor) for tensor in tensors({"a": (torch.ones(2), 5), "b": [torch.ones(3)]})]
        [2, 3]
    """
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors(part)


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
    return value


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
