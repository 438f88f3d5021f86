"""Follow which sites and which entries of a batch each site depends on."""

from __future__ import annotations

from typing import Any

from pyro.distributions import Delta, Unit
from pyro.ops.provenance import ProvenanceTensor, detach_provenance, get_provenance
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from dgmppl.distributions import Implicit
from dgmppl.sites import base_distribution

__all__ = ["Entry", "Provenance", "marked"]


class Entry(str):
    """The name of an entry of a batch, told apart from a site of the same name."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and str.__eq__(self, other)

    def __hash__(self) -> int:
        return hash(("entry", str(self)))


def marked(name: str, tensor: Tensor) -> Tensor:
    """An entry of a batch that leaves its name on all that is computed from it."""
    return ProvenanceTensor(tensor, frozenset({Entry(name)}))


class Provenance(Messenger):
    """Marks every site's value with the site's name, and notes what marks its distribution carries.

    Attributes:
        upstream: Site → sites and entries that its distribution was computed from, directly.
        data: Observed site → entries that its value came from.
    """

    def __init__(self) -> None:
        super().__init__()
        self.upstream: dict[str, frozenset[str]] = {}
        self.data: dict[str, frozenset[str]] = {}

    def _pyro_post_sample(self, msg: Any) -> None:
        if site_is_subsample(msg):
            return
        name, value = msg["name"], msg["value"]
        self.upstream[name] = _marks(msg["fn"], value)
        if msg["is_observed"]:
            self.data[name] = get_provenance(value)
        msg["value"] = ProvenanceTensor(detach_provenance(value), frozenset({name}))


def _marks(fn: Any, value: Tensor) -> frozenset[str]:
    """The marks on a distribution's parameters."""
    base = base_distribution(fn)
    if isinstance(base, Implicit):
        return get_provenance(base.value)
    if isinstance(base, Delta):
        return get_provenance(base.v)
    if isinstance(base, Unit):
        return get_provenance(base.log_factor)
    try:
        return get_provenance(fn.log_prob(detach_provenance(value)))
    except (NotImplementedError, RuntimeError, ValueError):
        return get_provenance(fn.sample())
