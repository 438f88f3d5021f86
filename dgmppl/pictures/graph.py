"""The graphical model in plate notation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch, Patch, Rectangle
from torch import nn

from dgmppl.binding import bind
from dgmppl.pictures.follow import follow
from dgmppl.pictures.layout import Layout, layout
from dgmppl.pictures.plates import RADIUS, half_width
from dgmppl.pictures.relations import Node, Relations, Role
from dgmppl.pictures.shortened import shortened
from dgmppl.pictures.style import BLUE, GREY, INK, PALE, caption, sheet

__all__ = ["graph"]

INCHES = 0.72  # one unit of the layout

COMPUTED = (Role.DETERMINISTIC, Role.FACTOR)
SMALL: dict[str, Any] = {"fontsize": 7, "color": GREY}
FILL = {Role.OBSERVED: PALE, Role.FACTOR: INK}


def graph(program: nn.Module, x: Any) -> Figure:
    """Draws the model, and beside it what the guide infers each latent from.

    White circles are latent, grey ones observed, double dashed ones computed from others; black
    squares are factors, open boxes are entries of the batch that only condition. Rounded boxes are
    plates. Distributions stand beside their sites; networks and parameters are not drawn.

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
    found, note = shortened(follow(binding, x))
    places = layout(found)
    left, bottom, right, top = places.extent
    panels = 1 if found.guide_distributions is None else 2
    size = (max(2.8, INCHES * (right - left)) * panels + 0.3, INCHES * (top - bottom) + 0.8)
    figure = sheet(*size, "Graphical model")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    model = {name: node.beside for name, node in found.nodes.items()}
    _panel(axes[0], found, places, model, _model_title(found), note)
    _arrows(axes[0], found, places, found.edges, color=INK)
    if found.guide_distributions is not None:
        shown = {n: "" for n, node in found.nodes.items() if node.role not in COMPUTED}
        _panel(axes[1], found, places, shown | found.guide_distributions, _guide_title(found))
        _arrows(axes[1], found, places, found.guide_edges, color=BLUE, linestyle=(0, (4, 2)))
    return figure


def _names(found: Relations, *roles: Role) -> str:
    """Names of some nodes, or none where a title would grow too long."""
    names = [name for name, node in found.nodes.items() if node.role in roles]
    return ", ".join(names) if len(names) <= 4 else ", ".join([*names[:2], "…"])


def _model_title(found: Relations) -> str:
    given = _names(found, Role.INPUT)
    return f"model  p({_names(found, Role.LATENT, Role.OBSERVED)}{given and f' | {given}'})"


def _guide_title(found: Relations) -> str:
    given = _names(found, Role.OBSERVED, Role.INPUT) if found.guide_edges else ""
    return f"guide  q({_names(found, Role.LATENT)}{given and f' | {given}'})"


def _panel(
    axes: Axes, found: Relations, places: Layout, shown: Mapping[str, str], *notes: str
) -> None:
    """Plates, and the nodes to show with their small print; no arrows."""
    left, bottom, right, top = places.extent
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes.axis("off")
    caption(axes, *notes)
    for plate, (x0, y0, x1, y1) in places.boxes.items():
        style = f"round,pad=0,rounding_size={min(0.15, (y1 - y0) / 2)}"
        axes.add_patch(
            FancyBboxPatch((x0, y0), x1 - x0, y1 - y0, style, fill=False, edgecolor=GREY)
        )
        axes.text(x1 - 0.08, y0 + 0.06, found.plates[plate], ha="right", va="bottom", **SMALL)
    for name, beside in shown.items():
        node, (x, y) = found.nodes[name], places.positions[name]
        for patch in _outline(node, x, y):
            axes.add_patch(patch)
        if node.role is not Role.FACTOR:
            axes.text(x, y, name, ha="center", va="center", fontsize=9, color=INK, zorder=4)
        axes.text(x + half_width(node) + 0.07, y, beside, ha="left", va="center", **SMALL)


def _outline(node: Node, x: float, y: float) -> list[Patch]:
    """The shape of a node."""
    wide = half_width(node)
    line: dict[str, Any] = {
        "edgecolor": INK,
        "facecolor": FILL.get(node.role, "white"),
        "linewidth": 1.1,
        "zorder": 3,
    }
    if node.role is Role.FACTOR:
        return [Rectangle((x - 0.1, y - 0.1), 0.2, 0.2, **line)]
    if node.role is Role.INPUT:
        return [Rectangle((x - wide, y - RADIUS * 0.8), 2 * wide, RADIUS * 1.6, **line)]
    if node.role is Role.DETERMINISTIC:
        line |= {"linestyle": (0, (3, 2))}
        outer, inner = (2 * wide, 2 * RADIUS), (2 * wide - 0.12, 2 * RADIUS - 0.12)
        return [Ellipse((x, y), *outer, **line), Ellipse((x, y), *inner, **line)]
    return [Ellipse((x, y), 2 * wide, 2 * RADIUS, **line)]


def _arrows(
    axes: Axes, found: Relations, places: Layout, edges: Iterable[tuple[str, str]], **style: Any
) -> None:
    """An arrow for each edge, bent where it would run through another node."""
    for up, down in edges:
        start, end = places.positions[up], places.positions[down]
        ends = [_outline(found.nodes[n], *places.positions[n])[0] for n in (up, down)]
        for patch in ends:
            patch.set_transform(axes.transData)
        bend = _bend(start, end, [p for n, p in places.positions.items() if n not in (up, down)])
        arrow = FancyArrowPatch(
            start,
            end,
            patchA=ends[0],
            patchB=ends[1],
            shrinkA=1,
            shrinkB=1,
            arrowstyle="-|>",
            mutation_scale=10,
            connectionstyle=f"arc3,rad={bend}",
            linewidth=1.2,
            zorder=2,
            **style,
        )
        axes.add_patch(arrow)


def _bend(
    start: tuple[float, float], end: tuple[float, float], others: Iterable[tuple[float, float]]
) -> float:
    """How much to bend an arrow where a node is in its way: to the left, off the small print."""
    (x0, y0), (x1, y1) = start, end
    length = max(1e-9, (x1 - x0) ** 2 + (y1 - y0) ** 2)
    for x, y in others:
        along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length
        away = abs((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)) / length**0.5
        if 0 < along < 1 and away < RADIUS:
            return 0.3 if y1 < y0 else -0.3
    return 0.0
