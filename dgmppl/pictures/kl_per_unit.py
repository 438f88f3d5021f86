"""How much each latent unit tells of the data."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dgmppl.pictures.error import PictureError
from dgmppl.pictures.style import BLUE, PALE, caption, plain, sheet

__all__ = ["kl_per_unit"]

MOST_NAMES = 32
MOST_BARS = 100


def kl_per_unit(diagnosis: Any) -> Figure:
    """A bar for each unit: KL(q(z|x) ‖ p(z)), mean over the data, largest first, active units in colour.

    Arguments:
        diagnosis: What `diagnose` returned; its `kl` (site → `[B, units]`, nats) and `active_units`
            (site → number) are read.

    Returns:
        A figure, a panel a site; of very many units the 100 largest.

    Raises:
        PictureError: If there is no divergence to show.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> found = SimpleNamespace(kl={"z": torch.tensor([[0.0, 2.0]])}, active_units={"z": 1})
        >>> [bar.get_height() for bar in kl_per_unit(found).axes[0].patches]
        [2.0, 0.0]
    """
    if not diagnosis.kl:
        raise PictureError(
            "Expected latents with a divergence from the prior, got none. Try a program with a guide."
        )
    figure = sheet(7.0, 2.6 * len(diagnosis.kl) + 0.5, "KL per latent unit")
    panels = figure.subplots(len(diagnosis.kl), 1, squeeze=False)[:, 0]
    for axes, (site, kl) in zip(panels, diagnosis.kl.items(), strict=True):
        values = kl.detach().double().cpu().reshape(len(kl), -1).mean(0).numpy()
        _bars(axes, site, values, diagnosis.active_units.get(site, 0))
    return figure


def _bars(axes: Axes, site: str, values: np.ndarray, active: int) -> None:
    """One site's units."""
    order = np.argsort(-values, kind="stable")[:MOST_BARS]
    colours = [BLUE if rank < active else PALE for rank in range(len(order))]
    plain(axes)
    axes.grid(False, axis="x")
    axes.bar(range(len(order)), values[order], color=colours, width=0.8)
    if len(order) <= MOST_NAMES:
        axes.set_xticks(range(len(order)), [str(unit) for unit in order])
    axes.set_xlim(-0.6, max(len(order), 4) - 0.4)
    axes.set_xlabel(
        f"unit of {site}" if len(order) <= MOST_NAMES else f"units of {site}, largest first"
    )
    axes.set_ylabel("KL (nats)")
    axes.set_ylim(min(0.0, float(values.min())), max(float(values.max()) * 1.08, 0.1))
    caption(
        axes,
        f"{active} of {len(values)} units of {site} active (in blue), {values.sum():.1f} nats in all",
    )
