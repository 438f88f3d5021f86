"""The graphical model in plate notation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch, Patch, Rectangle
from torch import nn

from dgmppl.binding import bind
from dgmppl.pictures.layout import RADIUS, Layout, half_width, layout
from dgmppl.pictures.relations import Node, Relations, Role, relations
from dgmppl.pictures.style import BLUE, GREY, INK, PALE, caption, sheet

__all__ = ["graph"]

INCHES = 0.72  # one unit of the layout

FILL = {Role.OBSERVED: PALE, Role.FACTOR: INK}


def graph(program: nn.Module, x: Any) -> Figure:
    """Draws the model, and beside it what the guide infers each latent from.

    White circles are latent, grey ones observed, double dashed ones computed from others; black squares are
    factors, open squares are entries of the batch that only condition. Rounded boxes are plates. Distributions
    stand beside their sites; networks and parameters are not drawn.

    Arguments:
        program: The program.
        x: A batch.

    Returns:
        A figure of one panel, or of two where there is a guide.

    Example:
        >>> import torch
        >>> from dgmppl.models.vae import VAE
        >>> figure = graph(VAE(data_dim=16, z_dim=2), torch.ones(3, 16))
        >>> [axes.get_title() for axes in figure.axes]
        ['model  p(z, x)', 'guide  q(z | x)']
    """
    binding = bind(program, x)
    found = relations(binding, x)
    places = layout(found)
    left, bottom, right, top = places.extent
    panels = 1 if found.guide_distributions is None else 2
    size = (max(2.8, INCHES * (right - left)) * panels + 0.3, INCHES * (top - bottom) + 0.8)
    figure = sheet(*size, "Graphical model")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    title = "p(" + ", ".join(n for n, node in found.nodes.items() if node.role in (Role.LATENT, Role.OBSERVED)) + ")"
    _panel(axes[0], found, places, {n: node.distribution for n, node in found.nodes.items()}, f"model  {title}")
    _edges(axes[0], found, places, found.edges, color=INK)
    if found.guide_distributions is not None:
        _panel(axes[1], found, places, found.guide_distributions, _guide_title(found))
        _edges(axes[1], found, places, found.guide_edges, color=BLUE, linestyle=(0, (4, 2)))
    return figure
