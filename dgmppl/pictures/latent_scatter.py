"""Where the guide puts the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from dgmppl.binding import bind
from dgmppl.pictures.latents import latent_site, posterior_means, to_units
from dgmppl.pictures.style import BLUE, PALETTE, canvas, legend

__all__ = ["latent_scatter"]


def latent_scatter(
    program: nn.Module,
    x: Any,
    labels: Tensor | Sequence[Any] | None = None,
    *,
    site: str | None = None,
) -> Figure:
    """A point for each datum at its posterior mean: two units or two principal components.

    Arguments:
        program: A program with a guide.
        x: A batch.
        labels: One a datum, or `None`; up to ten classes have a colour each, more lie on a scale.
        site: A latent with one continuous value a datum; by default the first.

    Returns:
        A figure.

    Raises:
        PictureError: If the program has no guide or no such latent.

    Example:
        >>> import torch
        >>> from dgmppl.models.vae import VAE
        >>> figure = latent_scatter(VAE(data_dim=16, z_dim=2), torch.eye(16), [0, 1] * 8)
        >>> figure.axes[0].get_xlabel()
        'z[0]'
    """
    binding = bind(program, x)
    latent = latent_site(binding, site)
    units = to_units(binding, latent, posterior_means(binding, x)[latent.name])
    points, names, note = _plane(units.detach().double().cpu().numpy(), latent.name)
    figure, axes = canvas(6.2, 4.8, f"Posterior means of {latent.name}", note)
    axes.set(xlabel=names[0], ylabel=names[1])
    if units.shape[1] > 1:
        axes.set_aspect("equal", adjustable="datalim")
    _colour(axes, points, None if labels is None else np.asarray(labels).reshape(-1)[: len(points)])
    return figure


def _plane(units: np.ndarray, name: str) -> tuple[np.ndarray, tuple[str, str], str]:
    """Points `[B, 2]`, the names of the axes, and how they came about."""
    count = len(units)
    if units.shape[1] == 1:
        jitter = np.random.default_rng(0).uniform(-1, 1, count)
        return np.column_stack([units[:, 0], jitter]), (name, "spread at random"), f"{count} data"
    if units.shape[1] == 2:
        return units, (f"{name}[0]", f"{name}[1]"), f"{count} data"
    centred = units - units.mean(0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    share = 100 * singular**2 / max(float((singular**2).sum()), 1e-300)
    names = tuple(f"principal component {i + 1} ({share[i]:.0f} % of the variance)" for i in (0, 1))
    return centred @ directions[:2].T, names, f"{count} data, {units.shape[1]} units"  # type: ignore[return-value]


def _colour(axes: Axes, points: np.ndarray, labels: np.ndarray | None) -> None:
    """Classes by colour, with their names in their midst; numbers on a scale."""
    size = 8.0 if len(points) > 300 else 16.0
    if labels is None:
        axes.scatter(points[:, 0], points[:, 1], s=size, color=BLUE, alpha=0.7, linewidths=0)
        return
    classes = np.unique(labels)
    if len(classes) > len(PALETTE):
        scale: dict[str, Any] = {"c": labels.astype(float), "cmap": "viridis"}
        image = axes.scatter(points[:, 0], points[:, 1], s=size, linewidths=0, **scale)
        axes.get_figure().colorbar(image, ax=axes, label="label")  # type: ignore[union-attr]
        return
    style: dict[str, Any] = {"alpha": 0.75, "linewidths": 0}
    for value, colour in zip(classes, PALETTE, strict=False):
        members = points[labels == value]
        across, up = members.T
        axes.scatter(across, up, s=size, color=colour, label=str(value), **style)
        _write(axes, str(value), *_middle(members), colour)
    legend(axes, "label")


def _write(axes: Axes, name: str, across: float, up: float, colour: str) -> None:
    """A class's name over its points, with a white rim."""
    text = axes.text(across, up, name, fontsize=11, fontweight="bold", color=colour)
    text.set(horizontalalignment="center", verticalalignment="center")
    text.set_path_effects([patheffects.withStroke(linewidth=3, foreground="white")])


def _middle(points: np.ndarray) -> tuple[float, float]:
    """The point that is nearest to all others of its class in sum."""
    few = points[:: max(1, len(points) // 500)]
    distance = np.linalg.norm(few[:, None] - few[None], axis=-1).sum(1)
    across, up = few[distance.argmin()]
    return float(across), float(up)
