"""Leave out densities that do not exist."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pyro.poutine.messenger import Messenger

from dgmppl.sites import Kind, site_kind

__all__ = ["Unscored"]


class Unscored(Messenger):
    """Counts the log-density of implicit sites as 0, for an objective that puts a ratio there.

    Arguments:
        sites: Their names.
    """

    def __init__(self, sites: Collection[str]):
        super().__init__()
        self.sites = sites

    def _pyro_post_sample(self, msg: Any) -> None:
        if msg["name"] in self.sites and site_kind(msg) is Kind.IMPLICIT:
            msg["log_density"] = msg["value"].new_zeros(msg["fn"].batch_shape)
