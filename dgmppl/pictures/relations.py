"""The graphical model of a program: its sites, plates, and what depends on what."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

__all__ = ["Node", "Relations", "Role"]


class Role(Enum):
    """What a node of a graphical model stands for."""

    LATENT = "latent"
    OBSERVED = "observed"
    DETERMINISTIC = "deterministic"
    FACTOR = "factor"
    INPUT = "input"


@dataclass(frozen=True)
class Node:
    """A site of the model, or an entry of the batch that only conditions it.

    Arguments:
        name: Its name.
        role: What it stands for.
        distribution: Its distribution's name in the model, "" where there is none.
        plates: The plates around it.
    """

    name: str
    role: Role
    distribution: str = ""
    plates: frozenset[str] = frozenset()

    @property
    def beside(self) -> str:
        """The small print at its side: the distribution, or a factor's own name."""
        return self.name if self.role is Role.FACTOR else self.distribution


@dataclass(frozen=True)
class Relations:
    """Nodes and edges.

    Arguments:
        nodes: Name → node, in the order of the program.
        edges: Pairs (from, to) of the model.
        guide_edges: Pairs of the guide.
        guide_distributions: Latent site → its distribution's name in the guide; `None` if there
            is no guide.
        plates: Plate → its label.
    """

    nodes: dict[str, Node]
    edges: tuple[tuple[str, str], ...]
    guide_edges: tuple[tuple[str, str], ...] = ()
    guide_distributions: dict[str, str] | None = None
    plates: dict[str, str] = field(default_factory=dict)

    def descendants(self, name: str) -> set[str]:
        """All that depends on a node in the model, directly or not.

        Example:
            >>> nodes = {name: Node(name, Role.LATENT) for name in "abc"}
            >>> sorted(Relations(nodes, (("a", "b"), ("b", "c"))).descendants("a"))
            ['b', 'c']
        """
        found: set[str] = set()
        reached = {name}
        while reached:
            reached = {down for up, down in self.edges if up in reached} - found
            found |= reached
        return found
