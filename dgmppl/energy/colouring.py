"""Which layers may be drawn together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["colour"]


def colour(neighbours: Mapping[str, Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    """Groups of nodes without an edge inside, few of them.

    The node that sees most colours is next (DSATUR): two groups where two suffice.

    Arguments:
        neighbours: Node → the nodes that it has edges with.

    Returns:
        The groups, the first node's first, nodes in their order.

    References:
        New Methods to Color the Vertices of a Graph, Daniel Brélaz, 1979.
        https://doi.org/10.1145/359094.359101

    Example:
        >>> colour({"v": ["h1"], "h1": ["v", "h2"], "h2": ["h1", "h3"], "h3": ["h2"]})
        (('v', 'h2'), ('h1', 'h3'))
    """
    edges = {node: set(others) for node, others in neighbours.items()}
    chosen: dict[str, int] = {}
    while len(chosen) < len(edges):
        seen = {n: {chosen[m] for m in edges[n] if m in chosen} for n in edges if n not in chosen}
        node = max(seen, key=lambda n: (len(seen[n]), len(edges[n])))
        chosen[node] = next(c for c in range(len(edges)) if c not in seen[node])
    order = list(dict.fromkeys(chosen[node] for node in edges))
    return tuple(tuple(n for n in edges if chosen[n] == c) for c in order)
