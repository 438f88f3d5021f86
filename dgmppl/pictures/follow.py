"""Find the graphical model of a program by following its values on one batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from pyro.ops.provenance import detach_provenance
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.data import map_tensors
from dgmppl.data.nested import named_tensors
from dgmppl.handlers import Replay
from dgmppl.pictures.provenance import Entry, Provenance, marked
from dgmppl.pictures.relations import Node, Relations, Role
from dgmppl.program import guide_of
from dgmppl.randomness import seeded
from dgmppl.sites import base_distribution
from dgmppl.traces import evaluating, isolated, trace

__all__ = ["follow"]

Sites = Mapping[str, Mapping[str, Any]]
Upstream = Mapping[str, frozenset[str]]


def follow(binding: Binding, x: Any) -> Relations:
    """Runs guide and model once, with every value marked by where it came from.

    Arguments:
        binding: The program.
        x: A batch.

    Returns:
        Its graphical model; networks and parameters are left out.

    Example:
        >>> from dgmppl import bind
        >>> from dgmppl.models.vae import VAE
        >>> x = torch.ones(3, 4)
        >>> found = follow(bind(VAE(data_dim=4, z_dim=2), x), x)
        >>> found.edges, found.guide_edges
        ((('z', 'x'),), (('x', 'z'),))
    """
    program, guide = binding.program, guide_of(binding.program)
    model_seen, guide_seen = Provenance(), Provenance()
    batch, guide_sites = _marked(x), {}
    with torch.no_grad(), evaluating(program), seeded(0), isolated(program):
        if guide is not None:
            guide_sites = _samples(trace(guide, batch, handlers=(guide_seen,)).nodes)
        replay = Replay({n: detach_provenance(s["value"]) for n, s in guide_sites.items()})
        handlers = (replay, model_seen)
        sites = _samples(trace(program.model, batch, handlers=handlers).nodes)  # type: ignore[arg-type]
    nodes = {n: _node(n, site) for n, site in sites.items() if n in model_seen.upstream}
    owners = {e: [n for n, seen in model_seen.data.items() if e in seen] for e in _entries(x)}
    inferred = {
        n: _resolved(n, guide_seen.upstream, nodes) for n in guide_seen.upstream if n in nodes
    }
    inputs = _inputs(owners, [model_seen.upstream, inferred], binding)
    return Relations(
        nodes={**inputs, **nodes},
        edges=_forward(_edges(model_seen.upstream, owners), [*inputs, *nodes]),
        guide_edges=_edges(inferred, owners),
        guide_distributions=guide
        and {n: _drawn_from(n, guide_sites, guide_seen.upstream) for n in inferred},
        plates=_plates(nodes, sites, binding),
    )


def _marked(x: Any) -> Any:
    """The batch, each tensor under its name."""
    names = iter(_entries(x))
    return map_tensors(lambda tensor: marked(next(names), tensor), x)


def _entries(x: Any) -> list[Entry]:
    return [Entry("x" if isinstance(x, Tensor) else name) for name, _ in named_tensors(x)]


def _samples(nodes: Sites) -> dict[str, Mapping[str, Any]]:
    return {name: site for name, site in nodes.items() if site["type"] == "sample"}


def _kind(site: Mapping[str, Any]) -> str:
    return type(base_distribution(site["fn"])).__name__


def _node(name: str, site: Mapping[str, Any]) -> Node:
    """A site of the model as a node."""
    kind = _kind(site)
    plates = frozenset(f.name for f in site["cond_indep_stack"] if f.dim is not None)
    if kind == "Unit":
        return Node(name, Role.FACTOR, "", plates)
    if site["infer"].get("_deterministic", False) or (kind == "Delta" and not site["is_observed"]):
        return Node(name, Role.DETERMINISTIC, "", plates)
    return Node(name, Role.OBSERVED if site["is_observed"] else Role.LATENT, kind, plates)


def _resolved(name: str, upstream: Upstream, nodes: Mapping[str, Node]) -> frozenset[str]:
    """What a guide's site depends on, through the guide's own auxiliary sites."""
    found: set[str] = set()
    ahead, seen = set(upstream[name]), {name}
    while ahead:
        up = ahead.pop()
        if isinstance(up, Entry) or up in nodes:
            found.add(up)
        elif up not in seen:
            seen.add(up)
            ahead |= upstream.get(up, frozenset())
    return frozenset(found)


def _drawn_from(name: str, sites: Sites, upstream: Upstream) -> str:
    """A latent's distribution in the guide, or that of the draw it is computed from."""
    auxiliary = sorted(up for up in upstream[name] if up in sites and not isinstance(up, Entry))
    is_function = _kind(sites[name]) == "Delta" and auxiliary
    return _kind(sites[auxiliary[0] if is_function else name])


def _inputs(
    owners: Mapping[Entry, list[str]], upstreams: Iterable[Upstream], binding: Binding
) -> dict[str, Node]:
    """Nodes for the entries that no site observes and some site depends on."""
    used = {up for ups in upstreams for marks in ups.values() for up in marks if type(up) is Entry}
    plates = frozenset({binding.data_plate} if binding.data_plate else ())
    free = [str(entry) for entry, sites in owners.items() if entry in used and not sites]
    return {name: Node(name, Role.INPUT, "", plates) for name in free}


def _edges(upstream: Upstream, owners: Mapping[Entry, list[str]]) -> tuple[tuple[str, str], ...]:
    """Pairs (from, to), with entries replaced by the sites that observe them."""
    pairs = []
    for name, ups in upstream.items():
        for up in sorted(ups, key=str):
            sources = (owners[up] or [str(up)]) if isinstance(up, Entry) else [up]
            pairs += [(source, name) for source in sources if source != name]
    return tuple(dict.fromkeys(pairs))


def _forward(edges: tuple[tuple[str, str], ...], order: list[str]) -> tuple[tuple[str, str], ...]:
    """Edges along the program; others come from entries that are data and conditions at once."""
    return tuple(edge for edge in edges if order.index(edge[0]) < order.index(edge[1]))


def _plates(nodes: Mapping[str, Node], sites: Sites, binding: Binding) -> dict[str, str]:
    """Each plate's label: the data's by name alone, the others with their size."""
    frames = {f.name: f for n in nodes for f in sites[n]["cond_indep_stack"] if f.dim is not None}
    return {
        name: name if name == binding.data_plate else f"{name} × {frame.full_size or frame.size}"
        for name, frame in frames.items()
    }
