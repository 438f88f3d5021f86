"""Where the nodes and plates of a graphical model go."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dgmppl.pictures.plates import LETTER, RADIUS, Box, half_width, plate_boxes
from dgmppl.pictures.relations import Node, Relations

__all__ = ["Layout", "layout"]

LAYER = 1.35  # from one layer of nodes to the next
GAP = 0.5  # between neighbours
MOST_TRIALS = 5000


@dataclass(frozen=True)
class Layout:
    """Positions in units of about two centimetres, y upwards.

    Arguments:
        positions: Node → its centre.
        boxes: Plate → left, bottom, right, top.
    """

    positions: dict[str, tuple[float, float]]
    boxes: dict[str, Box]

    @property
    def extent(self) -> Box:
        """The box around all."""
        corners = [(x - 0.7, y - 0.6, x + 1.5, y + 0.6) for x, y in self.positions.values()]
        left, bottom, right, top = zip(*corners, *self.boxes.values(), strict=True)
        return min(left) - 0.1, min(bottom) - 0.1, max(right) + 0.1, max(top) + 0.1


def layout(relations: Relations) -> Layout:
    """Layers by dependency; in each, columns such that plates enclose their own nodes only.

    Arguments:
        relations: The graphical model.

    Example:
        >>> from dgmppl.pictures.relations import Role
        >>> nodes = {name: Node(name, Role.LATENT) for name in "zx"}
        >>> layout(Relations(nodes, (("z", "x"),))).positions
        {'z': (0.0, 0.0), 'x': (0.0, -1.35)}
    """
    layers = _layers(relations)
    groups: dict[frozenset[str], list[str]] = defaultdict(list)
    for node in relations.nodes.values():
        groups[node.plates].append(node.name)
    best: tuple[tuple[float, ...], Layout] | None = None
    for columns in _assignments(len(groups)):
        positions = _place(relations, layers, dict(zip(groups, columns, strict=True)), groups)
        trial = Layout(positions, plate_boxes(relations, positions))
        score = (_faults(relations, trial), *_cost(relations, trial))
        if best is None or score < best[0]:
            best = (score, trial)
    assert best is not None
    return best[1]


def _layers(relations: Relations) -> dict[str, int]:
    """The longest path to each node; nodes without parents stand right above their children."""
    layers = dict.fromkeys(relations.nodes, 0)
    for _ in relations.nodes:  # as many passes as the longest path can have edges
        for up, down in relations.edges:
            layers[down] = max(layers[down], layers[up] + 1)
    has_parents = {down for _, down in relations.edges}
    for name in relations.nodes:
        children = [layers[down] for up, down in relations.edges if up == name]
        if name not in has_parents and children:
            layers[name] = min(children) - 1
    return layers


def _assignments(count: int) -> Iterable[tuple[int, ...]]:
    """Ways to give groups of nodes columns, a few thousand at most."""
    if count**count <= MOST_TRIALS:
        return itertools.product(range(count), repeat=count)
    return itertools.islice(itertools.permutations(range(count)), MOST_TRIALS)


def _place(
    relations: Relations,
    layers: Mapping[str, int],
    columns: Mapping[frozenset[str], int],
    groups: Mapping[frozenset[str], list[str]],
) -> dict[str, tuple[float, float]]:
    """Nodes side by side in their column's layer, columns side by side."""
    cells: dict[tuple[int, int], list[str]] = defaultdict(list)
    for plates, names in groups.items():
        for name in names:
            cells[columns[plates], layers[name]].append(name)
    room: dict[int, float] = defaultdict(float)
    width: dict[int, float] = defaultdict(float)
    for (column, _), names in cells.items():
        room[column] = max(room[column], *(_room(relations.nodes[n]) for n in names))
    for (column, _), names in cells.items():
        width[column] = max(width[column], room[column] * len(names))
    left = {c: sum(w for other, w in width.items() if other < c) for c in width}
    positions: dict[str, tuple[float, float]] = {}
    for (column, layer), names in sorted(cells.items(), key=lambda item: item[0][1]):
        spine = left[column] + (width[column] - room[column]) / 2
        for i, name in enumerate(_ordered(relations, names, positions)):
            x = spine + (i - (len(names) - 1) / 2) * room[column]
            positions[name] = (round(x, 3), round(0.0 - LAYER * layer, 3))
    return positions


def _ordered(
    relations: Relations, names: list[str], positions: Mapping[str, tuple[float, float]]
) -> list[str]:
    """Nodes of one layer from left to right, each near the middle of its parents."""

    def middle(name: str) -> float:
        across = [
            positions[up][0] for up, down in relations.edges if down == name and up in positions
        ]
        return sum(across) / len(across) if across else 0.0

    return sorted(names, key=middle)


def _room(node: Node) -> float:
    """The width of a node with its small print and a gap."""
    return 2 * half_width(node) + LETTER * len(node.beside) + GAP


def _faults(relations: Relations, trial: Layout) -> int:
    """Nodes in plates they do not belong to, and nodes on top of each other."""
    faults = 0
    for name, node in relations.nodes.items():
        x, y = trial.positions[name]
        reach = half_width(node) + LETTER * len(node.beside)
        for plate, (left, bottom, right, top) in trial.boxes.items():
            outside = (
                x + reach < left
                or x - half_width(node) > right
                or y + RADIUS < bottom
                or y - RADIUS > top
            )
            faults += plate not in node.plates and not outside
    spots = [(round(x, 3), round(y, 3)) for x, y in trial.positions.values()]
    return faults + len(spots) - len(set(spots))


def _cost(relations: Relations, trial: Layout) -> tuple[float, float]:
    """Width, then length of edges."""
    across = [x for x, _ in trial.positions.values()]
    length = sum(abs(trial.positions[u][0] - trial.positions[d][0]) for u, d in relations.edges)
    return round(max(across) - min(across), 6), round(length, 6)
