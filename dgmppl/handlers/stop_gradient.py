"""Cut the gradient at the values of sites."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pyro.poutine.messenger import Messenger

__all__ = ["StopGradient"]


class StopGradient(Messenger):
    """Detaches the values drawn at the named sites, so that no pathwise gradient leaves them.

    Arguments:
        sites: Names of the sites.
    """

    def __init__(self, sites: Collection[str]):
        super().__init__()
        self.sites = frozenset(sites)

    def _pyro_post_sample(self, msg: Any) -> None:
        if msg["name"] in self.sites:
            msg["value"] = msg["value"].detach()
