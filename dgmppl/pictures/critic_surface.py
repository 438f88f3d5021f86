"""What a critic says of every point in the plane."""

from __future__ import annotations

from typing import Any

import torch
from matplotlib.figure import Figure
from torch import nn

from dgmppl.binding import bind
from dgmppl.pictures.error import PictureError
from dgmppl.pictures.observations import draw_observed, observed_rows, observed_site
from dgmppl.pictures.style import BLUE, GREY, INK, canvas, legend
from dgmppl.traces import evaluating, isolated

__all__ = ["critic_surface"]

POINTS = 120


def critic_surface(
    program: nn.Module, x: Any, *, data_site: str | None = None, critic: str = "critic"
) -> Figure:
    """A critic's value in colour, with data and draws over it.

    Where it is flat at the draws, the model learns nothing; where it slopes, they follow it uphill.

    Arguments:
        program: A program with a critic of one site whose data are points in the plane.
        x: Data.
        data_site: The observed site; by default the largest.
        critic: The critic's name.

    Raises:
        PictureError: If there is no such critic, or data are no points in the plane.

    Example:
        >>> from dgmppl.models.gan import GAN
        >>> figure = critic_surface(GAN(critic_features=8), torch.randn(20, 2))
        >>> figure.axes[0].get_xlabel()
        'x[0]'
    """
    judge: Any = getattr(program, critic, None)
    if judge is None:
        raise PictureError(
            f"Expected a program with '{critic}', got {type(program).__name__} without one."
        )
    binding = bind(program, x)
    site = observed_site(binding, data_site)
    data = observed_rows(binding, x, site)
    if data.shape[1:] != (2,):
        raise PictureError(
            f"Expected data in the plane, got rows of shape {tuple(data.shape[1:])}. Try "
            "pictures.samples."
        )
    draws = draw_observed(binding, x, len(data), site, means=False)
    low, high = data.amin(0).cpu(), data.amax(0).cpu()
    room = 0.3 * (high - low)
    ticks = [
        torch.linspace(float(a), float(b), POINTS)
        for a, b in zip(low - room, high + room, strict=True)
    ]
    points = torch.cartesian_prod(*ticks).to(data)
    try:
        with torch.no_grad(), evaluating(program), isolated(program):
            value = judge(points).reshape(POINTS, POINTS).T.cpu().double().numpy()
    except RuntimeError as error:
        raise PictureError(
            f"Expected a critic of single points, and '{critic}' failed on them: "
            f"{str(error).splitlines()[0]}. A packed critic sees several at once."
        ) from error
    figure, axes = canvas(6.0, 4.6, "The critic", f"T({site.name}): high where it expects data")
    shown = axes.contourf(*(tick.numpy() for tick in ticks), value, levels=24, cmap="PuOr_r")
    bar = figure.colorbar(shown, ax=axes, shrink=0.8)
    bar.ax.tick_params(labelsize=8, color=GREY)
    for rows, colour, name in ((data, INK, "data"), (draws, BLUE, "draws")):
        across, up = rows.cpu().double().numpy().T
        axes.scatter(across, up, s=5.0, color=colour, alpha=0.6, linewidths=0, label=name)
    axes.set(xlabel="x[0]", ylabel="x[1]", aspect="equal")
    legend(axes)
    return figure
