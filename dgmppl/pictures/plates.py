"""How large nodes are, and the boxes of the plates around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dgmppl.pictures.relations import Node, Relations, Role

__all__ = ["LETTER", "RADIUS", "Box", "half_width", "plate_boxes"]

RADIUS = 0.34  # of a node with a short name
LETTER = 0.085  # width of a letter of small print
INSET = 0.2  # between a plate and one inside it

Box = tuple[float, float, float, float]


def half_width(node: Node) -> float:
    """Half the width of a node, wide enough for its name."""
    return 0.1 if node.role is Role.FACTOR else max(RADIUS, 0.075 * len(node.name) + 0.08)


def plate_boxes(
    relations: Relations, positions: Mapping[str, tuple[float, float]]
) -> dict[str, Box]:
    """Each plate around its nodes, with room for what lies inside and for its label.

    Of plates that cross, the later is a little higher, so that their edges can be told apart.
    """
    nodes = relations.nodes.items()
    members = {p: {n for n, node in nodes if p in node.plates} for p in relations.plates}
    boxes: dict[str, Box] = {}
    for plate, names in members.items():
        others = {q: m for q, m in members.items() if q != plate and m & names}
        inside = sum(m < names or (m == names and q > plate) for q, m in others.items())
        crossing = sum(q in boxes and not (m <= names or m >= names) for q, m in others.items())
        boxes[plate] = _around(
            [(*positions[n], relations.nodes[n]) for n in names],
            INSET * (1 + inside),
            0.12 * (1 + inside) + 0.12 * crossing,
        )
    return boxes


def _around(nodes: Iterable[tuple[float, float, Node]], pad: float, extra: float) -> Box:
    """The box around nodes, padded all round, and further above and below."""
    edges = [
        (
            x - half_width(node),
            y - RADIUS,
            x + half_width(node) + LETTER * len(node.beside),
            y + RADIUS,
        )
        for x, y, node in nodes
    ]
    left, bottom, right, top = zip(*edges, strict=True)
    return (
        min(left) - pad,
        min(bottom) - pad - extra,
        max(right) + pad,
        max(top) + pad + extra - 0.12,
    )
