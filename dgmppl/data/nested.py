"""Batches of one tensor, or of a mapping or tuple of tensors: what the library does to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor

__all__ = [
    "Tensors",
    "batch_length",
    "first_tensor",
    "flat_numbers",
    "map_tensors",
    "named_tensors",
    "repeat_rows",
    "to_device",
]

Tensors: TypeAlias = Tensor | Mapping[str, Any] | tuple[Any, ...]


def map_tensors(fn: Callable[[Tensor], Any], x: Any) -> Any:
    """Applies `fn` to every tensor and keeps the structure.

    Arguments:
        fn: Takes a tensor, returns anything.
        x: A tensor, or a mapping, tuple or list of such. A `None` entry (an optional part of a
            batch) stays `None`.

    Returns:
        `fn`'s values: a dict for a mapping, a tuple for a tuple or list (a named tuple keeps its
        class).

    Raises:
        TypeError: On an entry that is none of these.

    Example:
        >>> map_tensors(lambda t: tuple(t.shape), {"x": torch.zeros(3, 2), "length": torch.ones(3)})
        {'x': (3, 2), 'length': (3,)}
    """
    if isinstance(x, Tensor):
        return fn(x)
    if x is None:
        return None
    if isinstance(x, Mapping):
        return {name: map_tensors(fn, value) for name, value in x.items()}
    if isinstance(x, tuple | list):
        mapped = [map_tensors(fn, value) for value in x]
        return type(x)(*mapped) if hasattr(x, "_fields") else tuple(mapped)
    raise TypeError(
        f"Expected a tensor, or a mapping or tuple of tensors, got {type(x).__name__}. "
        "Try torch.as_tensor on each entry."
    )


def named_tensors(x: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor with its name, in order.

    Arguments:
        x: A tensor, or a mapping or tuple of such.
        name: What a single tensor is called, and the prefix of all others.

    Returns:
        Pairs of a name (keys and positions, joined by dots) and a tensor.

    Example:
        >>> [name for name, _ in named_tensors({"x": torch.zeros(1), "y": (torch.ones(1),)})]
        ['x', 'y.0']
    """
    if isinstance(x, Tensor):
        yield name or "values", x
    elif x is not None:
        entries = x.items() if isinstance(x, Mapping) else enumerate(x)
        for key, value in entries:
            yield from named_tensors(value, f"{name}.{key}" if name else str(key))


def first_tensor(x: Any) -> Tensor:
    """The first tensor of a batch.

    Arguments:
        x: A tensor, or a mapping or tuple of such.

    Raises:
        ValueError: If there is none.
        TypeError: If `x` is no such structure.

    Example:
        >>> first_tensor((torch.tensor([7]), torch.zeros(1))).item()
        7
    """
    if isinstance(x, Tensor):
        return x
    if isinstance(x, Mapping | tuple | list):
        for _, tensor in named_tensors(x):
            return tensor
        raise ValueError("Expected at least one tensor, got none. Try a batch that holds data.")
    raise TypeError(
        f"Expected a tensor, or a mapping or tuple of tensors, got {type(x).__name__}. "
        "Try torch.as_tensor(x)."
    )


def flat_numbers(x: Any) -> Tensor:
    """All numbers of each datum in a row, as what the first floating tensor of the batch is.

    Arguments:
        x: A tensor, or a mapping or tuple of tensors that share their first dimension.

    Returns:
        `[B, numbers]`.

    Example:
        >>> flat_numbers({"x": torch.zeros(3, 2, 2), "label": torch.tensor([1, 0, 1])}).shape
        torch.Size([3, 5])
    """
    tensors = [tensor for _, tensor in named_tensors(x)]
    like = next((t for t in tensors if t.is_floating_point()), torch.empty(0))
    return torch.cat([t.reshape(len(t), -1).to(like) for t in tensors], -1)


def batch_length(x: Any) -> int:
    """The number of data in a batch: the size of its first tensor's first dimension.

    Arguments:
        x: A tensor of shape `[B, ...]`, or a mapping or tuple of such.

    Raises:
        ValueError: If there is no tensor, or it has no dimension.
        TypeError: If `x` is no such structure.

    Example:
        >>> batch_length({"x": torch.zeros(5, 2)})
        5
    """
    tensor = first_tensor(x)
    if tensor.dim() == 0:
        raise ValueError(
            "Expected data along the first dimension, got a tensor without dimensions. "
            "Try x[None] for a batch of one."
        )
    return tensor.shape[0]


def to_device(x: Any, device: torch.device | str | None) -> Any:
    """Moves every tensor, without waiting for the copy where the memory is pinned.

    Arguments:
        x: A tensor, or a mapping or tuple of such.
        device: Where to, or `None` to leave all where it is.

    Returns:
        The same structure; tensors that are already there are not copied.

    Example:
        >>> to_device(torch.zeros(2), "cpu").device.type
        'cpu'
    """
    if device is None:
        return x
    return map_tensors(lambda tensor: tensor.to(device, non_blocking=True), x)


def repeat_rows(x: Any, times: int) -> Any:
    """A batch one after itself, several times.

    Example:
        >>> import torch
        >>> repeat_rows({"x": torch.zeros(3, 2)}, 4)["x"].shape
        torch.Size([12, 2])
    """
    return map_tensors(lambda t: t.repeat(times, *[1] * (t.dim() - 1)), x)
