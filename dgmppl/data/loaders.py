"""Data behind a torch `Dataset` or `DataLoader`."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from dgmppl.data.nested import first_tensor, map_tensors

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
        >>> len(data), [tuple(batch.shape) for batch in data.read(batch_size=3)]
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
        self, batch_size: int | None, *, shuffle: bool = False, start: int = 0
    ) -> Iterator[Any]:
        """One pass over the data.

        Arguments:
            batch_size: How many data a batch, or `None` for all in one. Not for a `DataLoader`.
            shuffle: Whether to draw an order from the global random numbers. Not for a `DataLoader`
                or an `IterableDataset`, whose order is their own.
            start: How many batches to read and discard first.

        Returns:
            An iterator over batches. Its order is drawn in this call.
        """
        loader = self.loader
        if not isinstance(loader, DataLoader):
            loader = self._loader(len(self) if batch_size is None else batch_size, shuffle)
        return map(_tidy, _skip(iter(loader), start))

    def _loader(self, batch_size: int, shuffle: bool) -> DataLoader[Any]:
        if not shuffle or isinstance(self.dataset, IterableDataset):
            return DataLoader(self.dataset, batch_size)
        order = torch.randperm(len(self))
        return DataLoader(self.dataset, batch_size, sampler=order.tolist())


def _skip(batches: Iterator[Any], start: int) -> Iterator[Any]:
    """The batches after the first `start`, which are read at once."""
    next(islice(batches, start, start), None)
    return batches


def _tidy(batch: Any) -> Any:
    """Lists as tuples, a sequence of one as that one; `TypeError` where there are no tensors."""
    if isinstance(batch, list | tuple) and len(batch) == 1:
        batch = batch[0]
    first_tensor(batch)
    return map_tensors(lambda tensor: tensor, batch)
