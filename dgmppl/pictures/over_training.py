"""What the model drew as it learned: modes are found, lost and hunted in plain sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dgmppl.pictures.error import PictureError
from dgmppl.pictures.style import BLUE, GREY, caption, plain, sheet
from dgmppl.pictures.view import view_of

__all__ = ["over_training"]

COLUMNS = 4
PICTURES = 10


def over_training(
    drafts: Mapping[int, Tensor], data: Tensor, *, image_shape: Sequence[int] | None = None
) -> Figure:
    """Draws of the same noise after some epochs: points over the data, or rows of pictures.

    Arguments:
        drafts: Epoch → draws `[n, …]`, as `Drafts` keeps them.
        data: Some data `[m, …]`.
        image_shape: `(channels, height, width)` if data are pictures stored flat.

    Raises:
        PictureError: If there are no drafts.

    Example:
        >>> drafts = {1: torch.zeros(5, 2), 2: torch.ones(5, 2)}
        >>> over_training(drafts, torch.randn(9, 2)).get_suptitle()
        'Draws over training'
    """
    if not drafts:
        raise PictureError("Expected draws of some epochs, got none. Try dgmppl fit, or Drafts().")
    title = "Draws over training"
    if data.shape[1:] == (2,) and image_shape is None:
        return _points(drafts, data, title)
    cells = torch.stack([draws[:PICTURES] for draws in drafts.values()])
    rows = [f"epoch {epoch}" for epoch in drafts]
    view = view_of(data.shape[1:], image_shape)
    note = "the same noise in every row"
    return view.grid(cells, data, title, note, rows, [""] * cells.shape[1], "")


def _points(drafts: Mapping[int, Tensor], data: Tensor, title: str) -> Figure:
    columns = min(COLUMNS, len(drafts))
    rows = -(-len(drafts) // columns)
    figure = sheet(2.1 * columns + 0.4, 2.3 * rows + 0.5, title)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    low, high = data.amin(0), data.amax(0)
    room = 0.25 * (high - low).clamp(min=1e-6)
    for axes, (epoch, draws) in zip(panels, drafts.items(), strict=False):
        plain(axes)
        axes.set(
            xlim=(float(low[0] - room[0]), float(high[0] + room[0])),
            ylim=(float(low[1] - room[1]), float(high[1] + room[1])),
            xticks=[],
            yticks=[],
            aspect="equal",
        )
        for points, colour, size in ((data, GREY, 3.0), (draws, BLUE, 5.0)):
            across, up = points.double().numpy().T
            axes.scatter(across, up, s=size, color=colour, alpha=0.5, linewidths=0)
        caption(axes, f"epoch {epoch}")
    for axes in panels[len(drafts) :]:
        axes.set_axis_off()
    return figure
