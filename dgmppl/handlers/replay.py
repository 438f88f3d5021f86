"""Give sites values that were drawn elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor

__all__ = ["Replay"]


class Replay(Messenger):
    """Sets the values of unobserved sites; all else of a site stays its own.

    A plate takes the rows named here only where it would draw a random subset itself: rows that the
    program chose (`subsample=`) and plates over all rows are left alone.

    Arguments:
        values: Site name → value.
    """

    def __init__(self, values: Mapping[str, Tensor]):
        super().__init__()
        self.values = values

    def _pyro_sample(self, msg: Any) -> None:
        value = self.values.get(msg["name"])
        if value is None or msg["is_observed"]:
            return
        if site_is_subsample(msg):
            fn = msg["fn"]
            if msg["value"] is not None or fn.subsample_size in (None, fn.size):
                return
        msg["value"], msg["done"] = value, True
