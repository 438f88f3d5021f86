"""Data behind a torch `Dataset` or `DataLoader`."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from itertools import chain, islice
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, IterableDataset

from dgmppl.data.nested import batch_length, first_tensor, map_tensors
from dgmppl.data.part import WHOLE, Part

__all__ = ["LoaderData"]


class LoaderData:
    """Data that are read batch by batch.

    A `DataLoader` keeps its own batch size, order and workers. For a `Dataset` a loader is built
    whenever it is iterated, in the order and the size that are asked for then. Sequences that the
    loader collates become tuples, and a sequence of one is that one: a
    `TensorDataset(x)` serves tensors.

    Arguments:
        loader: A torch `DataLoader` or `Dataset`.

    Raises:
        TypeError: If it is neither.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> data = LoaderData(TensorDataset(torch.zeros(5, 2)))
        >>> len(data), [tuple(batch.shape) for batch, _ in data.read(batch_size=3)]
        (5, [(3, 2), (2, 2)])
    """

    def __init__(self, loader: DataLoader[Any] | Dataset[Any]):
        if not isinstance(loader, DataLoader | Dataset):
            raise TypeError(
                f"Expected a torch DataLoader or Dataset, got {type(loader).__name__}. "
                "Try as_data(source), which takes tensors and files too."
            )
        self.loader = loader

    @property
    def dataset(self) -> Dataset[Any]:
        """The data set itself."""
        return self.loader.dataset if isinstance(self.loader, DataLoader) else self.loader

    @property
    def record(self) -> dict[str, Any]:
        """What can be written into a JSON file: the class's name, and the number if it is known."""
        known = {"number": len(self.dataset)} if isinstance(self.dataset, Sized) else {}
        return {"name": type(self.dataset).__name__, **known}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.record})"

    def __len__(self) -> int:
        """The number of data (not of batches)."""
        if isinstance(self.dataset, Sized):
            return len(self.dataset)
        raise ValueError(
            f"Expected a data set that knows its number of data, got {type(self.dataset).__name__} "
            "without a length. Try a Dataset with __len__: the objective is scaled by that number."
        )

    def read(
        self,
        batch_size: int | None,
        *,
        shuffle: bool = False,
        start: int = 0,
        part: Part = WHOLE,
    ) -> Iterator[tuple[Any, float]]:
        """One pass over the data.

        Of a `Dataset` only this part's rows are read. A `DataLoader` is read whole in every
        process, and each keeps every `part.size`-th batch.

        Arguments:
            batch_size: How many data a batch, or `None` for all in one. Not for a `DataLoader`.
            shuffle: Whether to draw an order from the global random numbers. Not for a `DataLoader`
                or an `IterableDataset`, whose order is their own.
            start: How many batches to skip; a `DataLoader` reads and discards them.
            part: This process's part of every step.

        Returns:
            An iterator over batches and their weights. Its order is drawn in this call.

        Raises:
            ValueError: If a `DataLoader` has a `DistributedSampler`, so that each process would get
                a part of its part.
        """
        if isinstance(self.loader, DataLoader):
            if part.size > 1 and isinstance(self.loader.sampler, DistributedSampler):
                raise ValueError(
                    "Expected a DataLoader over all data, for each process is given its part of "
                    "them, got one with a DistributedSampler. Try shuffle=True in its place."
                )
            return _parted(self.loader, start, part)
        size = max(len(self), 1) if batch_size is None else batch_size
        if isinstance(self.dataset, IterableDataset):
            return _parted(DataLoader(self.dataset, size), start, part)
        order = torch.randperm(len(self)).tolist() if shuffle else [*range(len(self))]
        spans = [*part.rows(start * size, len(self), size)]
        rows = [order[low:high] for low, high, _ in spans]
        read = map(_tidy, iter(DataLoader(self.dataset, batch_sampler=rows)))
        return zip(read, (weight for _, _, weight in spans), strict=True)


def _parted(loader: DataLoader[Any], start: int, part: Part) -> Iterator[tuple[Any, float]]:
    """A part of the batches after the first `start`."""
    batches = iter(loader)
    next(islice(batches, start, start), None)
    # a sampler draws its order when it is first asked: that is here, not where the caller reads on
    first = [] if start else [*islice(batches, 1)]
    return part.among(map(_tidy, chain(first, batches)), batch_length)


def _tidy(batch: Any) -> Any:
    """Lists as tuples, a sequence of one as that one; `TypeError` where there are no tensors."""
    if isinstance(batch, list | tuple) and len(batch) == 1:
        batch = batch[0]
    first_tensor(batch)
    return map_tensors(lambda tensor: tensor, batch)
