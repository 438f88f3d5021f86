"""Score what is there of the data, and leave out what is missing."""

from __future__ import annotations

from typing import Any

import torch
from pyro.distributions.torch_distribution import MaskedDistribution
from pyro.poutine.messenger import Messenger
from torch import Tensor
from torch.distributions import Independent, transform_to

from dgmppl.sites import Kind, NoDensityError, base_distribution, site_kind

__all__ = ["ObservedPart"]


class ObservedPart(Messenger):
    """Replaces each likelihood by its marginal over the observed entries; NaN marks the others.

    A likelihood that factorises over its entries is masked inside its event; one that does not is
    left out where the whole event is missing. What is missing then has a harmless value in the
    site, for 0·NaN in a gradient is NaN, while the program gets NaN back: whatever it computes from
    a missing entry is seen to be undefined, never silently wrong.

    The values as given are kept in `infer["given"]`. Enter it inside of what traces the program, so
    that the trace has the harmless values.
    """

    def _pyro_sample(self, msg: Any) -> None:
        given, fn = msg["value"], msg["fn"]
        if not (msg["is_observed"] and given.is_floating_point()):
            return
        if type(base_distribution(fn)).__name__ in ("Delta", "Unit"):
            return  # a deterministic site or a factor
        if site_kind(msg) is not Kind.EXPLICIT:
            raise NoDensityError(
                f"Site '{msg['name']}' is {site_kind(msg)}: it has no density of which to leave "
                "entries out. Try a likelihood such as Normal(…).to_event(1)."
            )
        seen = ~given.isnan()
        msg["infer"] = {**msg["infer"], "given": given}
        msg["fn"] = _marginal(fn, seen, msg["name"])
        msg["value"] = torch.where(seen, given, _harmless(base_distribution(fn), given))

    def _pyro_post_sample(self, msg: Any) -> None:
        if msg["is_observed"] and "given" in msg["infer"]:
            msg["value"] = msg["infer"]["given"]


def _marginal(fn: Any, seen: Tensor, name: str) -> Any:
    """A distribution whose log-density is that of the entries where `seen`, `[*batch, *event]`."""
    if isinstance(fn, Independent):
        return _marginal(fn.base_dist, seen, name).to_event(fn.reinterpreted_batch_ndims)
    if isinstance(fn, MaskedDistribution):
        return _marginal(fn.base_dist, seen, name).mask(fn._mask)
    if fn.event_dim:
        entries, seen = seen, seen.flatten(-fn.event_dim).all(-1)
        if bool((entries.flatten(-fn.event_dim).any(-1) & ~seen).any()):
            raise NoDensityError(
                f"Site '{name}' ({type(fn).__name__}) scores events of shape "
                f"{tuple(fn.event_shape)} as a whole, and some are missing in part: the density of "
                "the rest is not known. Expected a likelihood that factorises over entries. Try "
                "one such as Normal(…).to_event(1)."
            )
    return fn.mask(seen)


def _harmless(fn: Any, like: Tensor) -> Tensor:
    """A value of finite density under a distribution, free of gradients."""
    support = fn.support
    if not support.is_discrete:
        transform = transform_to(support)
        return transform(like.new_zeros(transform.inverse_shape(fn.event_shape))).detach()
    if not fn.event_shape:
        return like.new_tensor(getattr(support, "lower_bound", 0))
    counts = like.new_zeros(fn.event_shape)  # one-hot or multinomial
    counts[..., 0] = getattr(support, "upper_bound", 1)
    return counts
