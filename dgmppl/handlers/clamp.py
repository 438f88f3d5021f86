"""Give sites values, whether they are observed or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyro.poutine.messenger import Messenger
from torch import Tensor, zeros

__all__ = ["Clamp", "Undrawn"]


class Clamp(Messenger):
    """Sets sites to values in the place of draws and of data; their distributions are not asked.

    Arguments:
        values: Site name → value.
    """

    def __init__(self, values: Mapping[str, Tensor]):
        super().__init__()
        self.values = values

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] in self.values:
            msg["value"] = self.values[msg["name"]]
            msg["is_observed"] = True


class Undrawn(Messenger):
    """Sets layers of units that nothing gives to 0, so that no random numbers are spent on them."""

    def _pyro_sample(self, msg: Any) -> None:
        if "units" in msg["infer"] and msg["value"] is None:
            msg["value"] = zeros(msg["fn"].shape())
