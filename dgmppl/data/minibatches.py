"""Minibatches: the one loop over data that learning and evaluation share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dgmppl.data.loaders import LoaderData
from dgmppl.data.nested import map_tensors, named_tensors, to_device
from dgmppl.data.part import WHOLE, Part
from dgmppl.data.tensors import TensorData

__all__ = ["Batch", "batches", "count_batches"]


class Batch(NamedTuple):
    """A minibatch.

    Arguments:
        index: Which rows of the data these are `[B]`, on the CPU; `None` behind a loader.
        x: The transformed rows: a tensor, or a mapping or tuple of tensors.
        weight: The share of the step's data that these are; below 1 beside other processes' parts.
    """

    index: Tensor | None  # type: ignore[assignment]  # hides the tuple's method of that name
    x: Any
    weight: float = 1.0


def batches(
    data: TensorData | LoaderData,
    batch_size: int | None,
    *,
    shuffle: bool = False,
    start: int = 0,
    device: torch.device | str | None = None,
    part: Part = WHOLE,
) -> Iterator[Batch]:
    """One pass over the data, in minibatches.

    The order is one permutation from the global random numbers, drawn in this call and not at the
    first batch. To go on in the middle of a pass, restore the state of the random numbers from
    before the pass, call this with `start`, and then restore their state at that batch.

    Arguments:
        data: What `as_data` or `load` returned.
        batch_size: How many data a batch (the last one may be smaller), or `None` for all in one. A
            `DataLoader` keeps its own.
        shuffle: Whether to draw an order, rather than to keep that of the data.
        start: How many batches to skip. Their transform is not run.
        device: Where the batches go, before the transform; `None` leaves them where they are.
        part: Which part of every step is read, where each step takes a batch for each of several
            processes; `start` counts batches, not steps. All of them must draw the same order.

    Returns:
        An iterator over batches. Unshuffled rows may share memory with the data: do not write into
        them.

    Raises:
        ValueError: If `batch_size` is below 1 or `start` below 0.
        TypeError: If `data` is of another class.

    Example:
        >>> data = TensorData(torch.arange(5))
        >>> [batch.x.tolist() for batch in batches(data, 2, start=1)]
        [[2, 3], [4]]
    """
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"Expected a batch_size of 1 or more, got {batch_size}. Try None for all.")
    if start < 0:
        raise ValueError(f"Expected start to be 0 or more, got {start}. Try 0, the first batch.")
    if isinstance(data, LoaderData):
        read = data.read(batch_size, shuffle=shuffle, start=start, part=part)
        return (Batch(None, to_device(x, device), weight) for x, weight in read)
    if not isinstance(data, TensorData):
        raise TypeError(
            f"Expected TensorData or LoaderData, got {type(data).__name__}. Try as_data(data)."
        )
    order = torch.randperm(len(data)) if shuffle else None
    size = max(len(data), 1) if batch_size is None else batch_size
    return _walk(data, order, part.rows(start * size, len(data), size), device)


def count_batches(data: TensorData | LoaderData, batch_size: int | None) -> int:
    """How many minibatches one pass has.

    Arguments:
        data: What `as_data` or `load` returned; a `DataLoader` keeps its own batch size.
        batch_size: How many data a batch, or `None` for all in one.

    Example:
        >>> count_batches(TensorData(torch.arange(5)), 2)
        3
    """
    if isinstance(data, LoaderData) and isinstance(data.loader, DataLoader):
        return len(data.loader)
    return -(-len(data) // (batch_size or max(len(data), 1)))


def _walk(
    data: TensorData,
    order: Tensor | None,
    spans: Iterator[tuple[int, int, float]],
    device: torch.device | str | None,
) -> Iterator[Batch]:
    """The batches of tensors in memory."""
    places = {tensor.device for _, tensor in named_tensors(data.values)}
    orders = {place: order.to(place) for place in places} if order is not None else {}
    for low, high, weight in spans:
        index = torch.arange(low, high) if order is None else order[low:high]
        rows = {place: order[low:high] for place, order in orders.items()}
        gather = partial(_gather, rows=rows or slice(low, high), device=device)
        x = map_tensors(gather, data.values)
        yield Batch(index, x if data.transform is None else data.transform(x), weight)


def _gather(
    tensor: Tensor, rows: slice | dict[torch.device, Tensor], device: torch.device | str | None
) -> Tensor:
    """The rows of a tensor, given on its device, on another device."""
    if isinstance(rows, slice):
        return to_device(tensor[rows], device)
    index = rows[tensor.device]
    if tensor.device.type != "cpu":
        return to_device(tensor.index_select(0, index), device)
    # Rows that go to a GPU are gathered into pinned memory: the copy then runs beside the compute.
    pinned = device is not None and torch.device(device).type == "cuda"
    shape = (len(index), *tensor.shape[1:])
    buffer = torch.empty(shape, dtype=tensor.dtype, pin_memory=pinned)
    return to_device(torch.index_select(tensor, 0, index, out=buffer), device)
