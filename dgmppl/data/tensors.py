"""Data that lie in memory, with the record of what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from dgmppl.data.nested import Tensors, batch_length, map_tensors, named_tensors, to_device

__all__ = ["TensorData"]


@dataclass(eq=False)
class TensorData:
    """Tensors whose first dimension counts the data, and a record of where they come from.

    Arguments:
        values: A tensor `[N, ...]`, or a mapping or tuple of tensors that share N.
        transform: Applied to every drawn batch of `values` (binarisation, noise), or `None`.
        record: What can be written into a JSON file: name, split, sha256, pixels, seed; `number`
            and `shape` are filled in.
        labels: One label a datum `[N]`, never shown to a program, or `None`.
        image_shape: `(channels, height, width)` if a datum is a picture, or `None`.

    Raises:
        ValueError: If the entries' first dimensions differ, or one has none.
        TypeError: If `values` or `labels` is not made of tensors.

    Example:
        >>> data = TensorData({"x": torch.zeros(6, 3), "length": torch.ones(6)})
        >>> len(data), data.record["shape"]
        (6, {'x': [3], 'length': []})
    """

    values: Tensors
    transform: Callable[[Any], Any] | None = None
    record: dict[str, Any] = field(default_factory=dict)
    labels: Tensor | None = None
    image_shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        self.values = map_tensors(Tensor.detach, self.values)
        self._number = _common_length(self.values)
        if self.labels is not None and batch_length(self.labels) != self._number:
            raise ValueError(
                f"Expected a label for each of {self._number} data, got {len(self.labels)} labels. "
                "Try labels in the order of the data."
            )
        shapes = {name: list(tensor.shape[1:]) for name, tensor in named_tensors(self.values)}
        shape = shapes["values"] if isinstance(self.values, Tensor) else shapes
        self.record = {"name": "unnamed", **self.record, "number": self._number, "shape": shape}

    def __len__(self) -> int:
        return self._number

    def __repr__(self) -> str:
        entries = ", ".join(f"{key}={value!r}" for key, value in self.record.items())
        return f"{type(self).__name__}({entries})"

    def __getitem__(self, index: slice | Tensor | list[int]) -> TensorData:
        """The rows of a slice, an integer tensor or a boolean mask, with their labels."""
        rows = _row_index(index, self._number)
        values = map_tensors(lambda tensor: _take(tensor, rows), self.values)
        labels = None if self.labels is None else _take(self.labels, rows)
        return replace(self, values=values, labels=labels, record=self._noted(rows))

    def first(self, n: int) -> TensorData:
        """The first n data, or all where there are fewer."""
        return self if n >= self._number else self[:n]

    def to(self, device: torch.device | str) -> TensorData:
        """The same data held on a device, so that batches need no copy to it."""
        return replace(
            self, values=to_device(self.values, device), labels=to_device(self.labels, device)
        )

    def draw(self, index: slice | Tensor | list[int] | None = None) -> Any:
        """A transformed batch.

        Arguments:
            index: Which rows, or `None` for all of them.

        Returns:
            The rows of `values`, after `transform`: a fresh draw where that is random.
        """
        values = self.values if index is None else self[index].values
        return values if self.transform is None else self.transform(values)

    def check(self, *, missing: bool = False) -> None:
        """Looks at every value.

        Arguments:
            missing: Whether NaN is welcome: the program reads it as missing.

        Raises:
            ValueError: If an entry holds NaN or infinite values: which, how many, and where first.
        """
        for name, tensor in named_tensors(self.values):
            if not (tensor.is_floating_point() or tensor.is_complex()) or not tensor.numel():
                continue
            wrong = tensor.isinf() if missing else ~torch.isfinite(tensor)
            if wrong.any():
                row = int(wrong.reshape(len(wrong), -1).any(1).nonzero()[0])
                raise ValueError(
                    f"Expected finite data, got {int(wrong.sum())} NaN or infinite values in entry "
                    f"'{name}', first in row {row}. Try removing those rows, or "
                    "dgmppl.Incomplete(program), with NaN or a mask where values are missing."
                )

    def _noted(self, rows: slice | Tensor) -> dict[str, Any]:
        """The record, with a note of which rows were taken."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(self._number)
            chosen = f"rows {start}:{stop}" + (f":{step}" if step != 1 else "")
        else:
            chosen = f"{len(rows)} rows by index"
        note = f"{chosen} of {self._number}"
        return {**self.record, "subset": [*self.record.get("subset", []), note]}


def _common_length(values: Any) -> int:
    """The first dimension that all entries share."""
    lengths = {name: batch_length(tensor) for name, tensor in named_tensors(values)}
    if len(set(lengths.values())) > 1:
        table = ", ".join(f"'{name}': {length}" for name, length in lengths.items())
        raise ValueError(
            f"Expected entries with one common first dimension, got {{{table}}}. "
            "Try one row a datum in every entry."
        )
    return batch_length(values)


def _row_index(index: Any, number: int) -> slice | Tensor:
    """A slice with a positive step, or a 1-D integer tensor."""
    if isinstance(index, slice) and (index.step is None or index.step > 0):
        return index
    if isinstance(index, slice):
        return torch.tensor(range(*index.indices(number)), dtype=torch.long)
    if isinstance(index, int | str | Mapping):
        raise TypeError(
            f"Expected a slice or an index tensor, got {index!r}. Try data[i : i + 1] for one "
            "datum."
        )
    rows = torch.as_tensor(index) if len(index) else torch.zeros(0, dtype=torch.long)
    if rows.dtype == torch.bool and rows.shape == (number,):
        return rows.nonzero().squeeze(1)
    if rows.dim() != 1 or rows.dtype == torch.bool or rows.is_floating_point():
        raise TypeError(
            f"Expected one index a row, or a mask of {number} rows, got {rows.dtype} of shape "
            f"{tuple(rows.shape)}. Try a 1-D integer tensor."
        )
    return rows.long()


def _take(tensor: Tensor, rows: slice | Tensor) -> Tensor:
    """The rows of a tensor; a view for a slice."""
    return tensor[rows] if isinstance(rows, slice) else tensor[rows.to(tensor.device)]
