"""How data of some shape are drawn: pictures as pictures, points as points, all else as curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from matplotlib.figure import Figure
from torch import Tensor

from dgmppl.pictures.curve_cells import CurveCells
from dgmppl.pictures.image_cells import ImageCells
from dgmppl.pictures.plane import Plane

__all__ = ["View", "view_of"]


class View(Protocol):
    """Draws rows of data; rows and cells are tensors on the CPU."""

    #: Whether the mean given the latents shows more than a noisy draw does.
    prefers_means: bool

    def cloud(self, rows: Tensor, data: Tensor, title: str, note: str) -> Figure:
        """Many data `[N, …]`, beside some of the real data `[M, …]` where that helps."""

    def pairs(self, above: Tensor, below: Tensor, title: str, note: str) -> Figure:
        """Data `[N, …]` and what became of each `[N, …]`."""

    def grid(
        self,
        cells: Tensor,
        data: Tensor,
        title: str,
        note: str,
        rows: Sequence[str],
        columns: Sequence[str],
        axis: str,
    ) -> Figure:
        """A table of data `[R, C, …]`, with labels for its rows and columns and a name for its way across."""


def view_of(shape: Sequence[int], image_shape: Sequence[int] | None = None) -> View:
    """The view for data of some shape.

    Arguments:
        shape: Of one datum.
        image_shape: `(channels, height, width)` if it is a picture stored flat, or `None`.

    Raises:
        ValueError: If the picture's shape does not fit.

    Example:
        >>> [type(view_of(*args)).__name__ for args in [((64,), (1, 8, 8)), ((2,),), ((7,),), ((3, 8, 8),)]]
        ['ImageCells', 'Plane', 'CurveCells', 'ImageCells']
    """
    shape = tuple(shape)
    if image_shape is not None and math.prod(image_shape) == math.prod(shape):
        return ImageCells(tuple(image_shape))
    if image_shape is not None:
        raise ValueError(
            f"Expected pictures of {math.prod(shape)} values a datum, got image_shape={tuple(image_shape)}. "
            "Try (channels, height, width) of the data."
        )
    if len(shape) == 3 and shape[0] in (1, 3):
        return ImageCells(shape)
    if len(shape) == 2 and min(shape) > 1:
        return ImageCells((1, *shape), heat=True)
    return Plane() if math.prod(shape) == 2 else CurveCells()
