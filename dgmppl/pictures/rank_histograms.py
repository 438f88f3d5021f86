"""Whether a guide's draws lie about the true latents as a posterior's do."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dgmppl.pictures.error import PictureError
from dgmppl.pictures.style import BLUE, GREY, PALE, RED, caption, plain, sheet
from dgmppl.posterior.calibration import Calibration, Departure
from dgmppl.posterior.ecdf_band import Band, ecdf_band
from dgmppl.posterior.rank_tests import MEANINGS

__all__ = ["rank_histograms"]

MOST_BINS = 20


def rank_histograms(calibration: Calibration, number: int = 4) -> Figure:
    """A row for each of the units that depart most from uniform ranks: histogram and ECDF.

    Grey is where uniform ranks lie: each bar by itself with probability 95 %, the whole curve with
    probability 95 %. Units that fail are red. A ∪, or a curve that first rises and then falls,
    tells of an over-confident guide; the reverse of an under-confident one; a slope of a bias.

    Arguments:
        calibration: What `simulation_based_calibration` returned.
        number: Most units to show.

    Returns:
        A figure.

    Raises:
        PictureError: If there is nothing to show.

    References:
        Validating Bayesian Inference Algorithms with Simulation-Based Calibration, Sean Talts et
        al., 2018. https://arxiv.org/abs/1804.06788
        Graphical Test for Discrete Uniformity and its Applications in Goodness of Fit Evaluation
        and Multiple Sample Comparison, Teemu Säilynoja et al., 2022.
        https://arxiv.org/abs/2103.10522

    Example:
        >>> import torch
        >>> ranks = torch.randint(10, (200, 2), generator=torch.Generator().manual_seed(0))
        >>> [a.get_xlabel() for a in rank_histograms(Calibration({"z": ranks}, 9)).axes[:2]]
        ['rank of the true z[0]', 'share of the ranks']
    """
    shown, failing = calibration.departures[:number], calibration.failures
    if not shown:
        raise PictureError("Expected ranks of at least one unit, got none. Try number=4.")
    figure = sheet(7.5, 1.7 * len(shown) + 0.8, "Ranks of true latents among the guide's draws")
    for departure, row in zip(shown, figure.subplots(len(shown), 2, squeeze=False), strict=True):
        column = calibration.ranks[departure.site].T[departure.unit or 0].numpy()
        column = column[column >= 0]
        band = ecdf_band(len(column), calibration.num_samples)
        colour = RED if departure in failing else BLUE
        _histogram(row[0], departure, column, calibration.num_samples + 1, colour)
        _difference(row[1], column, band, colour)
        caption(row[0], MEANINGS[departure.kind] if departure in failing else "calibrated")
        caption(row[1], f"p = {departure.p_value:.2g}")
    return figure


def _histogram(
    axes: Axes, departure: Departure, ranks: np.ndarray, levels: int, colour: str
) -> None:
    """Bars of equal numbers of ranks, relative to what is expected."""
    bins = min(MOST_BINS, levels)
    width = np.bincount(np.arange(levels) * bins // levels)
    expected = len(ranks) * width / levels
    height = np.bincount(ranks * bins // levels, minlength=bins) / expected
    margin = 1.96 * np.sqrt((1 - 1 / bins) / expected.min())
    plain(axes)
    axes.axhspan(1 - margin, 1 + margin, color=PALE, linewidth=0)
    axes.axhline(1, color=GREY, linewidth=1)
    style: dict[str, Any] = {"align": "edge", "color": colour, "alpha": 0.8}
    axes.bar(np.cumsum(width) - width, height, 0.9 * width, **style)
    axes.set(xlabel=f"rank of the true {departure.name}", ylabel="frequency / expected")


def _difference(axes: Axes, ranks: np.ndarray, band: Band, colour: str) -> None:
    """The empirical distribution function less the expected one."""
    ends = [0.0, *band.places, 1.0]
    share = (ranks[:, None] < band.ranks).mean(0)
    plain(axes)
    low, high, found = (
        [0.0, *(bound - band.places), 0.0] for bound in (band.lower, band.upper, share)
    )
    axes.fill_between(ends, low, high, color=PALE, linewidth=0)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.plot(ends, found, color=colour, linewidth=1.5)
    axes.set(xlabel="share of the ranks", ylabel="ECDF − uniform")
