"""Show a program the labels of some of its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dgmppl.data.tensors import TensorData
from dgmppl.lowering import require

__all__ = ["HIDDEN", "SomeLabels", "shown"]

#: In the place of a label that is not shown.
HIDDEN = -1


@dataclass(frozen=True)
class SomeLabels:
    """Data and labels as a mapping: "x" the data, "y" `[N]` the label, or −1 where it is hidden.

    Every class shows as many labels as any other.

    Arguments:
        number: How many labels are shown in all; `None` shows every one.
        seed: Of the choice, which has a generator of its own.
        copies: How often a labelled datum stands among the data, so that most minibatches hold some
            where labels are few.

    Example:
        >>> from dgmppl.data import load
        >>> data = SomeLabels(number=20)(load("digits"))
        >>> int((data.values["y"] >= 0).sum()), data.record["labels"]
        (20, '20 of 1437 shown, 2 a class, seed 0')
    """

    number: int | None = 100
    seed: int = 0
    copies: int = 1

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"Expected copies of 1 or more, got {self.copies}. Try 1.")

    def __call__(self, data: TensorData) -> TensorData:
        """The data with some of their labels in view.

        Arguments:
            data: One tensor a datum, and labels from 0 upwards.

        Raises:
            ValueError: If the data have no labels, or a class has fewer than it is to show.
            TypeError: If a batch of the data is not a single tensor.
        """
        if data.labels is None:
            raise ValueError(
                f"Expected data with labels, got {data.record['name']} without. Try "
                "TensorData(values, labels=…)."
            )
        if not isinstance(data.values, Tensor):
            raise TypeError("Expected one tensor a datum, got several. Try TensorData(tensor).")
        rows, note = self._chosen(data.labels)
        shown = torch.full_like(data.labels, HIDDEN)
        shown[rows] = data.labels[rows]
        record = {**data.record, "labels": note}
        view = replace(data, values={"x": data.values, "y": shown}, record=record)
        if data.transform is not None:
            view = replace(view, transform=partial(_treated, treat=data.transform))
        if self.copies == 1:
            return view
        every = torch.arange(len(data)).to(rows)
        return view[torch.cat([every, rows.repeat(self.copies - 1)])]

    def _chosen(self, labels: Tensor) -> tuple[Tensor, str]:
        """Which rows show theirs, and that in words."""
        if self.number is None:
            return torch.arange(len(labels)).to(labels), "all shown"
        classes, counts = labels.unique(return_counts=True)
        each, rest = divmod(self.number, len(classes))
        if rest or each > int(counts.min()):
            raise ValueError(
                f"Expected as many labels of each of {len(classes)} classes, of which the smallest "
                f"has {int(counts.min())} data, got number={self.number}. Try "
                f"{len(classes) * max(1, min(each, int(counts.min())))}."
            )
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(self.seed))
        order = order.to(labels)
        rows = torch.cat([order[labels[order] == label][:each] for label in classes])
        note = f"{self.number} of {len(labels)} shown, {each} a class, seed {self.seed}"
        return rows, note + (f", {self.copies} copies" if self.copies > 1 else "")


def _treated(batch: dict[str, Any], *, treat: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    """A batch whose data are treated, and whose labels are not."""
    return {**batch, "x": treat(batch["x"])}


def shown(labels: Tensor, num_classes: int) -> Tensor:
    """Which labels are in view.

    Arguments:
        labels: Classes from 0 upwards, or −1 where one is hidden, `[B]`.
        num_classes: C.

    Raises:
        ValueError: If a label is neither.

    Example:
        >>> shown(torch.tensor([2, -1, 0]), num_classes=3).tolist()
        [True, False, True]
    """
    require(
        (labels >= HIDDEN) & (labels < num_classes),
        lambda: ValueError(
            f"Expected labels from 0 to {num_classes - 1}, or {HIDDEN} where one is hidden, got "
            f"{int(labels.min())} to {int(labels.max())}. Try counting classes from 0, or "
            f"num_classes={int(labels.max()) + 1}."
        ),
    )
    return labels != HIDDEN
