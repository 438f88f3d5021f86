"""Give sites another distribution in place of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyro.distributions import Independent
from pyro.poutine.messenger import Messenger

__all__ = ["Exchange"]


class Exchange(Messenger):
    """Exchanges the distributions of unobserved sites, in a model and in its guide alike.

    Arguments:
        change: A distribution, without its `to_event` → another of the same shapes; `None` keeps
            it.
    """

    def __init__(self, change: Callable[[Any], Any | None]):
        super().__init__()
        self.change = change

    def _pyro_sample(self, msg: Any) -> None:
        if not msg["is_observed"]:
            msg["fn"] = self._changed(msg["fn"])

    def _changed(self, fn: Any) -> Any:
        if isinstance(fn, Independent):
            inner = self._changed(fn.base_dist)
            same = inner is fn.base_dist
            return fn if same else Independent(inner, fn.reinterpreted_batch_ndims)
        new = self.change(fn)
        return fn if new is None else new
