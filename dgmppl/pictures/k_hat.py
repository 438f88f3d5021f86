"""Where importance weights under the guide can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dgmppl.pictures.error import PictureError
from dgmppl.pictures.style import BLUE, GREY, ORANGE, RED, canvas, legend
from dgmppl.posterior import Diagnosis

__all__ = ["k_hat"]

BANDS = (
    (-np.inf, 0.5, BLUE, "good, k̂ ≤ 0.5"),
    (0.5, 0.7, ORANGE, "fair, k̂ ≤ 0.7"),
    (0.7, np.inf, RED, "unreliable, k̂ > 0.7"),
)
HIGHEST = 1.5


def k_hat(diagnosis: Diagnosis) -> Figure:
    """A dot for each datum at its Pareto shape k̂, with the lines 0.5 and 0.7 and shares in words.

    Arguments:
        diagnosis: What `diagnose` returned.

    Returns:
        A figure. Values above 1.5 lie on its upper edge, as triangles.

    Raises:
        PictureError: If no k̂ could be computed.

    References:
        Pareto Smoothed Importance Sampling, Aki Vehtari et al., 2015. https://arxiv.org/abs/1507.02646
        Yes, but Did It Work?: Evaluating Variational Inference, Yuling Yao et al., 2018.
        https://arxiv.org/abs/1802.02538

    Example:
        >>> import torch
        >>> from dgmppl.models.vae import VAE
        >>> from dgmppl.posterior import diagnose
        >>> found = diagnose(VAE(data_dim=4, z_dim=3), torch.eye(4), 50)
        >>> k_hat(found).axes[0].get_xlabel()
        'datum'
    """
    values = np.asarray(diagnosis.k_hat.detach().double().cpu()).reshape(-1)
    known = ~np.isnan(values)
    if not known.any():
        raise PictureError("Expected at least one k̂, got none. Try diagnose(…) with more samples.")
    index, values = np.arange(len(values))[known], values[known]
    missing = len(known) - len(values)
    note = f"{len(values)} data" + (f"; {missing} more without k̂" if missing else "")
    figure, axes = canvas(7.5, 3.6, "Pareto k̂ of the importance weights", note)
    low = min(0.0, float(values[np.isfinite(values)].min(initial=0.0))) - 0.05
    _dots(axes, index, values, np.clip(values, low, HIGHEST))
    for line in (0.5, 0.7):
        axes.axhline(line, color=GREY, linewidth=1, linestyle="--")
    top = float(np.clip(values.max(), 1.0, HIGHEST)) + 0.05
    axes.set(xlabel="datum", ylabel="k̂", ylim=(low, top))
    legend(axes)
    return figure


def _dots(axes: Axes, index: np.ndarray, values: np.ndarray, shown: np.ndarray) -> None:
    """The data of each band in its colour."""
    style: dict[str, Any] = {"linewidths": 0, "clip_on": False}
    for left, right, colour, label in BANDS:
        inside = (values > left) & (values <= right) if np.isfinite(left) else values <= right
        text = f"{label}: {100 * inside.mean():.0f} %"
        axes.scatter(index[inside], shown[inside], s=14, color=colour, label=text, **style)
    over = values > HIGHEST
    axes.scatter(index[over], shown[over], s=40, marker="^", color=RED, **style)
