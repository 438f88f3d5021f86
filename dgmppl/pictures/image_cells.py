"""A table of pictures."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from dgmppl.pictures.cells import Cells
from dgmppl.pictures.style import GREY

__all__ = ["ImageCells"]


class ImageCells(Cells):
    """Each datum is a picture, grey or coloured, or a matrix drawn as a heat map.

    Arguments:
        shape: `(channels, height, width)`.
        heat: Whether to colour values by a scale, beside the table, in place of grey.
    """

    def __init__(self, shape: tuple[int, ...], heat: bool = False):
        self.shape, self.heat = shape, heat
        self.aspect = min(3.0, max(1 / 3, shape[1] / shape[2]))

    def paint(self, axes: Axes, cells: Tensor) -> str:
        """One mosaic, with a gap of a pixel or a sixteenth of the picture between pictures.

        NaN is drawn as the middle between lowest and highest.
        """
        values = cells.reshape(*cells.shape[:2], *self.shape).double().numpy()
        low, high = _limits(values, self.heat)
        values = np.nan_to_num(values, nan=(low + high) / 2)
        gap = max(1, min(self.shape[1:]) // 16)
        mosaic = _tile(values, gap)
        image = axes.imshow(
            mosaic if self.heat else np.clip((mosaic - low) / max(high - low, 1e-12), 0, 1),
            extent=(0, cells.shape[1], cells.shape[0], 0),
            cmap="viridis" if self.heat else "gray",
            vmin=low if self.heat else 0,
            vmax=high if self.heat else 1,
            interpolation="nearest",
        )
        if self.heat:
            bar = axes.get_figure().colorbar(image, ax=axes, shrink=0.8)  # type: ignore[union-attr]
            bar.ax.tick_params(labelsize=8, color=GREY)
            bar.outline.set_visible(False)
        return ""


def _limits(values: np.ndarray, heat: bool) -> tuple[float, float]:
    """From black to white: 0 to 1 where pixels lie there."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return (0.0, 1.0) if not heat and low >= 0 and high <= 1 else (low, high)


def _tile(values: np.ndarray, gap: int) -> np.ndarray:
    """Pictures `[R, C, channels, H, W]` side by side, `[·, ·]` or `[·, ·, 3]`; gaps are white."""
    edge = ((0, 0), (0, 0), (0, 0), (gap, 0), (gap, 0))
    padded = np.pad(values, edge, constant_values=np.nan)
    rows, columns, channels, height, width = padded.shape
    tiled = padded.transpose(0, 3, 1, 4, 2).reshape(rows * height, columns * width, channels)
    if channels == 3:
        return np.where(np.isnan(tiled), np.nanmax(values), tiled)
    return tiled[..., 0] if channels == 1 else tiled.mean(-1)
