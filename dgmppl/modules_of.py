"""Which modules a function learns with."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

__all__ = ["modules_of"]


def modules_of(*functions: Callable[..., Any] | None) -> list[nn.Module]:
    """The outermost modules that some functions are, belong to or refer to.

    A method refers to its owner, a `functools.partial` to its arguments, a function to the names in
    its closure and to the global names that its code uses, through functions of the same file.

    Arguments:
        functions: Functions, bound methods, modules; `None` is passed over.

    Returns:
        Modules without repeats, none of them a part of another.

    Example:
        >>> from torch import nn
        >>> net = nn.Linear(2, 3)
        >>> modules_of(lambda x: net(x)) == [net]
        True
    """
    seen: set[int] = set()
    found = [module for fn in functions if fn is not None for module in _walk(fn, seen)]
    inner = {id(part) for module in found for part in list(module.modules())[1:]}
    return [module for module in found if id(module) not in inner]


def _walk(value: Any, seen: set[int]) -> Iterator[nn.Module]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, nn.Module):
        yield value
        return
    for part in _parts(value):
        yield from _walk(part, seen)


def _parts(value: Any) -> list[Any]:
    """What a function, method or partial refers to."""
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if inspect.ismethod(value):
        owner = value.__self__
        return [owner] if isinstance(owner, nn.Module) else [*vars(owner).values(), value.__func__]
    if not inspect.isfunction(value):
        return []
    names = inspect.getclosurevars(value)
    parts = [*names.nonlocals.values(), *names.globals.values()]
    own = (nn.Module, functools.partial)
    return [
        part
        for part in parts
        if isinstance(part, own) or getattr(part, "__module__", None) == value.__module__
    ]
