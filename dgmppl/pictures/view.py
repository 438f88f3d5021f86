"""How data of some shape are drawn: pictures, clouds, points, numbers; all else as curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from matplotlib.figure import Figure
from torch import Tensor

from dgmppl.pictures.cloud_cells import CloudCells
from dgmppl.pictures.curve_cells import CurveCells
from dgmppl.pictures.error import PictureError
from dgmppl.pictures.image_cells import ImageCells
from dgmppl.pictures.line import Line
from dgmppl.pictures.plane import Plane

__all__ = ["View", "view_of"]

#: So many rows of two or three numbers are a cloud.
FEWEST_POINTS = 16


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
        """A table of data `[R, C, …]` with labelled rows and columns; `axis` names the latter."""


def view_of(shape: Sequence[int], image_shape: Sequence[int] | None = None) -> View:
    """The view for data of some shape.

    Arguments:
        shape: Of one datum.
        image_shape: `(channels, height, width)` if it is a picture stored flat, or `None`.

    Raises:
        PictureError: If the picture's shape does not fit.

    Example:
        >>> [type(view_of(shape)).__name__ for shape in [(), (2,), (7,), (3, 8, 8)]]
        ['Line', 'Plane', 'CurveCells', 'ImageCells']
        >>> type(view_of((128, 3))).__name__
        'CloudCells'
        >>> type(view_of((64,), image_shape=(1, 8, 8))).__name__
        'ImageCells'
    """
    shape = tuple(shape)
    if image_shape is not None and math.prod(image_shape) == math.prod(shape):
        return ImageCells(tuple(image_shape))
    if image_shape is not None:
        raise PictureError(
            f"Expected pictures of {math.prod(shape)} values, got shape {tuple(image_shape)}. "
            "Try (channels, height, width) of the data."
        )
    if len(shape) == 3 and shape[0] in (1, 3):
        return ImageCells(shape)
    if len(shape) == 2 and shape[1] in (2, 3) and shape[0] >= FEWEST_POINTS:
        return CloudCells()
    if len(shape) == 2 and min(shape) > 1:
        return ImageCells((1, *shape), heat=True)
    few: dict[int, type[Line] | type[Plane]] = {1: Line, 2: Plane}
    return few.get(math.prod(shape), CurveCells)()
