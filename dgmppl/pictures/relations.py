"""The graphical model of a program: its sites, plates, and what depends on what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.data import map_tensors
from dgmppl.data.nested import named_tensors
from dgmppl.handlers import Replay
from dgmppl.inference.randomness import seeded
from dgmppl.pictures.provenance import Entry, Provenance, marked
from dgmppl.program import guide_of
from dgmppl.sites import base_distribution
from dgmppl.traces import evaluating, isolated, module_device, trace

__all__ = ["Node", "Relations", "Role", "relations"]


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
        plates: The plates around it, the outermost last.
    """

    name: str
    role: Role
    distribution: str = ""
    plates: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Relations:
    """Nodes and edges.

    Arguments:
        nodes: Name → node, in the order of the program.
        edges: Pairs (from, to) of the model.
        guide_edges: Pairs of the guide.
        guide_distributions: Latent site → its distribution's name in the guide; `None` if there is no guide.
        plates: Plate → its label.
    """

    nodes: dict[str, Node]
    edges: tuple[tuple[str, str], ...]
    guide_edges: tuple[tuple[str, str], ...] = ()
    guide_distributions: dict[str, str] | None = None
    plates: dict[str, str] = field(default_factory=dict)

    def descendants(self, name: str) -> set[str]:
        """All that depends on a node in the model, directly or not."""
        found: set[str] = set()
        reached = {name}
        while reached:
            reached = {down for up, down in self.edges if up in reached} - found
            found |= reached
        return found


def relations(binding: Binding, x: Any) -> Relations:
    """Follows the dependencies of a program on one batch.

    Arguments:
        binding: The program.
        x: A batch.

    Returns:
        Its graphical model; networks and parameters are left out.

    Example:
        >>> from dgmppl import bind
        >>> from dgmppl.models.vae import VAE
        >>> x = torch.ones(3, 4)
        >>> found = relations(bind(VAE(data_dim=4, z_dim=2), x), x)
        >>> found.edges, found.guide_edges
        ((('z', 'x'),), (('x', 'z'),))
    """
    program, guide = binding.program, guide_of(binding.program)
    q_seen, p_seen = Provenance(), Provenance()
    batch, q_sites = _marked(x), {}
    with torch.no_grad(), evaluating(program), seeded(0), isolated(device=module_device(program)):
        if guide is not None:
            q_sites = trace(guide, batch, handlers=(q_seen,)).nodes
        values = {
            n: torch.Tensor.as_subclass(s["value"], torch.Tensor)
            for n, s in q_sites.items()
            if _is_site(s)
        }
        replay = Replay({n: v for n, v in values.items() if n in binding.sites})
        p_sites = trace(program.model, batch, handlers=(replay, p_seen)).nodes  # type: ignore[arg-type]
    nodes = {n: _node(n, s) for n, s in p_sites.items() if _is_site(s)}
    owners = {
        entry: [n for n, seen in p_seen.data.items() if entry in seen and n in nodes]
        for entry in _entries(x)
    }
    q_upstream = {n: _resolved(n, q_seen.upstream, nodes) for n in q_seen.upstream if n in nodes}
    inputs = _inputs(owners, p_seen.upstream | q_upstream, binding)
    return Relations(
        nodes={**inputs, **nodes},
        edges=_edges({n: up for n, up in p_seen.upstream.items() if n in nodes}, owners),
        guide_edges=_edges(q_upstream, owners),
        guide_distributions=None
        if guide is None
        else {n: _distribution(q_sites[n]) for n in q_upstream},
        plates=_plates(p_sites, binding),
    )


def _marked(x: Any) -> Any:
    """The batch, each tensor under its name."""
    names = iter(_entries(x))
    return map_tensors(lambda tensor: marked(next(names), tensor), x)


def _entries(x: Any) -> list[Entry]:
    return [Entry("x" if isinstance(x, Tensor) else name) for name, _ in named_tensors(x)]


def _is_site(site: Mapping[str, Any]) -> bool:
    return site["type"] == "sample" and type(site["fn"]).__name__ != "_Subsample"


def _node(name: str, site: Mapping[str, Any]) -> Node:
    kind = _distribution(site)
    plates = frozenset(f.name for f in site["cond_indep_stack"] if f.dim is not None)
    if kind == "Unit":
        return Node(name, Role.FACTOR, "", plates)
    if site["infer"].get("_deterministic", False) or (kind == "Delta" and not site["is_observed"]):
        return Node(name, Role.DETERMINISTIC, "", plates)
    return Node(name, Role.OBSERVED if site["is_observed"] else Role.LATENT, kind, plates)


def _distribution(site: Mapping[str, Any]) -> str:
    return type(base_distribution(site["fn"])).__name__


def _resolved(
    name: str, upstream: Mapping[str, frozenset[str]], nodes: Mapping[str, Node]
) -> frozenset[str]:
    """What a guide's site depends on, through the guide's own auxiliary sites."""
    found: set[str] = set()
    open_, seen = set(upstream[name]), {name}
    while open_:
        up = open_.pop()
        if isinstance(up, Entry) or up in nodes:
            found.add(up)
        elif up not in seen:
            seen.add(up)
            open_ |= upstream.get(up, frozenset())
    return frozenset(found)


def _inputs(
    owners: Mapping[Entry, list[str]], upstream: Mapping[str, frozenset[str]], binding: Binding
) -> dict[str, Node]:
    """Nodes for the entries that no site observes and some site depends on."""
    used = {up for ups in upstream.values() for up in ups if isinstance(up, Entry)}
    plates = frozenset({binding.data_plate} if binding.data_plate else ())
    return {
        str(entry): Node(str(entry), Role.INPUT, "", plates)
        for entry, sites in owners.items()
        if entry in used and not sites
    }


def _edges(
    upstream: Mapping[str, Iterable[str]], owners: Mapping[Entry, list[str]]
) -> tuple[tuple[str, str], ...]:
    """Pairs (from, to), with entries replaced by the sites that observe them."""
    pairs = []
    for name, ups in upstream.items():
        for up in sorted(ups, key=str):
            sources = (owners[up] or [str(up)]) if isinstance(up, Entry) else [up]
            pairs += [(source, name) for source in sources if source != name]
    return tuple(dict.fromkeys(pairs))


def _plates(sites: Mapping[str, Any], binding: Binding) -> dict[str, str]:
    """Each plate's label: the data's by name alone, the others with their size."""
    frames = {
        f.name: f
        for s in sites.values()
        if _is_site(s)
        for f in s["cond_indep_stack"]
        if f.dim is not None
    }
    return {
        n: n if n == binding.data_plate else f"{n} × {f.full_size or f.size}"
        for n, f in frames.items()
    }
