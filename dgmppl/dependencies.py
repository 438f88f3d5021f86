"""Which latent draws each density of a program looks at."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyro
import torch
from pyro.infer.inspect import TrackProvenance
from pyro.ops.provenance import ProvenanceTensor, detach_provenance, get_provenance
from torch import Tensor
from torch.overrides import TorchFunctionMode

from dgmppl.handlers import Replay
from dgmppl.sites import Kind, site_kind
from dgmppl.traces import sample_sites, subsample_sites, trace

__all__ = ["Dependencies", "find_dependencies"]

# Where a value leaves the tensors: what Python does with it cannot be followed.
READS = frozenset({"item", "tolist", "numpy", "__bool__", "__int__", "__float__", "__index__"})


@dataclass(frozen=True)
class Dependencies:
    """For each density, the draws of the guide that it is a function of, its own among them.

    Arguments:
        model: Model site → guide sites.
        guide: Guide site → guide sites.
        smooth_model: Model site → those of them that a derivative reaches.
        smooth_guide: Guide site → those of them that a derivative reaches.
    """

    model: Mapping[str, frozenset[str]] = field(default_factory=dict)
    guide: Mapping[str, frozenset[str]] = field(default_factory=dict)
    smooth_model: Mapping[str, frozenset[str]] = field(default_factory=dict)
    smooth_guide: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def moved_by(self, site: str) -> frozenset[str]:
        """The guide sites whose draws would differ, had this site's draw been another."""
        moved = {site}
        for name, seen in self.guide.items():  # in the guide's order, so one pass closes the set
            if seen & moved:
                moved.add(name)
        return frozenset(moved)


class _Reads(TorchFunctionMode):
    """Notes which tracked values Python has looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.sites: frozenset[str] = frozenset()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in READS:
            self.sites |= get_provenance(list(args))
        return func(*args, **(kwargs or {}))


def find_dependencies(
    guide: Callable[[Any], Any], model: Callable[[Any], Any], x: Any
) -> Dependencies:
    """Runs guide and model once on a batch and follows every draw through all operations.

    A draw that Python code reads (`.item()`, `if h:`) counts as seen by every density after it.

    Arguments:
        guide: The guide.
        model: The model.
        x: A batch.
    """
    with torch.no_grad(), pyro.validation_enabled(False):  # its checks read every value
        guide_trace, guide_seen = _tracked(guide, x, {})
        drawn = sample_sites(guide_trace)
        values = {
            n: ProvenanceTensor(detach_provenance(s["value"]), frozenset({n}))
            for n, s in drawn.items()
        }
        rows = {n: detach_provenance(s["value"]) for n, s in subsample_sites(guide_trace).items()}
        _, model_seen = _tracked(model, x, {**values, **rows})
    with torch.enable_grad(), pyro.validation_enabled(False), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of values that Python reads
        plain = {n: detach_provenance(v) for n, v in values.items()}
        leaves = {n: v.clone().requires_grad_() for n, v in plain.items() if v.is_floating_point()}
        smooth = [_reached(fn, x, leaves, {**plain, **leaves, **rows}) for fn in (model, guide)]
    return Dependencies(model_seen, guide_seen, *smooth)


def _tracked(
    fn: Callable[[Any], Any], x: Any, values: Mapping[str, Tensor]
) -> tuple[Any, dict[str, frozenset[str]]]:
    with _Reads() as reads:
        found = trace(fn, x, handlers=(Replay(values), TrackProvenance()))
        seen = {
            name: get_provenance(_looks(site)) | reads.sites
            for name, site in sample_sites(found).items()
        }
        observed = {n for n, s in found.nodes.items() if s.get("is_observed")}
    return found, {name: sites - observed for name, sites in seen.items()}


def _reached(
    fn: Callable[[Any], Any], x: Any, leaves: Mapping[str, Tensor], values: Mapping[str, Tensor]
) -> dict[str, frozenset[str]]:
    """Site → the draws that autograd finds behind its log-density."""
    found = {}
    for name, site in sample_sites(trace(fn, x, handlers=(Replay(values),))).items():
        looks = _looks(site).sum()
        grads: tuple[Tensor | None, ...] = (None,) * len(leaves)
        if leaves and looks.requires_grad:
            grads = torch.autograd.grad(
                looks, list(leaves.values()), allow_unused=True, retain_graph=True
            )
        pairs = zip(leaves, grads, strict=True)
        found[name] = frozenset(leaf for leaf, grad in pairs if grad is not None)
    return found


def _looks(site: dict[str, Any]) -> Tensor:
    """What depends on all that a site depends on: its log-density, or the draw without one."""
    implicit = site_kind(site) is Kind.IMPLICIT
    looks: Tensor = site["fn"].rsample() if implicit else site["fn"].log_prob(site["value"])
    return looks
