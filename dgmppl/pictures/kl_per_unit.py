"""How much each latent unit tells of the data."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dgmppl.pictures.error import PictureError
from dgmppl.pictures.style import BLUE, PALE, caption, plain, sheet
from dgmppl.posterior import Diagnosis
from dgmppl.posterior.diagnosis import ACTIVE

__all__ = ["kl_per_unit"]

MOST_NAMES = 32
MOST_BARS = 100


def kl_per_unit(diagnosis: Diagnosis) -> Figure:
    """A bar for each unit: KL(q(z|x) ‖ p(z)), mean over the data, largest first.

    Active units (those whose posterior means vary over the data) are blue; a divergence that is
    known for the site as a whole only is one bar, blue if any unit is active.

    Arguments:
        diagnosis: What `diagnose` returned.

    Returns:
        A figure, a panel a site; of very many units the 100 largest.

    Raises:
        PictureError: If there is no divergence to show.

    References:
        Importance Weighted Autoencoders, Yuri Burda et al., 2015. https://arxiv.org/abs/1509.00519

    Example:
        >>> import torch
        >>> from dgmppl.models.vae import VAE
        >>> from dgmppl.posterior import diagnose
        >>> found = diagnose(VAE(data_dim=4, z_dim=3), torch.eye(4), 50)
        >>> len(kl_per_unit(found).axes[0].patches)
        3
    """
    if not diagnosis.kl:
        raise PictureError(
            "Expected latents with a divergence from the prior, got none. "
            "Try a program with a guide."
        )
    figure = sheet(7.0, 2.6 * len(diagnosis.kl) + 0.5, "KL per latent unit")
    panels = figure.subplots(len(diagnosis.kl), 1, squeeze=False)[:, 0]
    for axes, (site, kl) in zip(panels, diagnosis.kl.items(), strict=True):
        values = kl.detach().double().cpu().reshape(len(kl), -1).mean(0).numpy()
        activity = diagnosis.activity.get(site)  # categories have no mean that could vary
        active = None if activity is None else activity.detach().cpu().reshape(-1).numpy() > ACTIVE
        _bars(axes, site, values, active)
    return figure


def _bars(axes: Axes, site: str, values: np.ndarray, active: np.ndarray | None) -> None:
    """One site's units, those pale that are not active where that is known."""
    order = np.argsort(-values, kind="stable")[:MOST_BARS]
    mask = np.full(len(values), active is None or active.any())
    if active is not None and len(active) == len(values):
        mask = active
    colours = [BLUE if mask[unit] else PALE for unit in order]
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
    total = f"{values.sum():.1f} nats in all"
    count = "" if active is None else f"{active.sum()} of {len(active)} units active (blue), "
    caption(axes, f"{site}: {count}{total}")
