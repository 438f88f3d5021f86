"""Long series of sites (z_1, z_2, … of an unrolled loop), cut so that a picture stays legible."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace

from dgmppl.pictures.relations import Relations

__all__ = ["shortened"]

MOST_NODES = 14
KEPT = 3


def shortened(relations: Relations) -> tuple[Relations, str]:
    """Keeps the first three of each numbered series where there are more than fourteen nodes.

    Arguments:
        relations: The graphical model.

    Returns:
        The rest of it, and a note of what was left out ("" if nothing was).

    Example:
        >>> from dgmppl.pictures.relations import Node, Role
        >>> nodes = {f"z_{i}": Node(f"z_{i}", Role.LATENT) for i in range(20)}
        >>> rest, note = shortened(Relations(nodes, ()))
        >>> list(rest.nodes), note
        (['z_0', 'z_1', 'z_2'], 'and so on to z_19')
    """
    if len(relations.nodes) <= MOST_NODES:
        return relations, ""
    series: dict[str, list[str]] = defaultdict(list)
    for name in relations.nodes:
        if match := re.fullmatch(r"(.*?)\d+", name):
            series[match[1]].append(name)
    cut = [names for names in series.values() if len(names) > KEPT]
    left_out = {name for names in cut for name in names[KEPT:]}
    if not left_out:
        return relations, ""
    guide = relations.guide_distributions
    rest = replace(
        relations,
        nodes={n: node for n, node in relations.nodes.items() if n not in left_out},
        edges=_kept(relations.edges, left_out),
        guide_edges=_kept(relations.guide_edges, left_out),
        guide_distributions=guide and {n: d for n, d in guide.items() if n not in left_out},
    )
    return rest, "and so on to " + ", ".join(names[-1] for names in cut)


def _kept(edges: tuple[tuple[str, str], ...], left_out: set[str]) -> tuple[tuple[str, str], ...]:
    return tuple(edge for edge in edges if not left_out & set(edge))
