"""Draw as ever, then put other values in place of the draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyro.poutine.messenger import Messenger
from torch import Tensor

__all__ = ["Impose"]


class Impose(Messenger):
    """Sets the values of unobserved sites after they were drawn.

    Unlike under `Replay` the random numbers run on as without it, so that a second run from the
    same state meets the same dropout masks.

    Arguments:
        values: Site name → value.
    """

    def __init__(self, values: Mapping[str, Tensor]):
        super().__init__()
        self.values = values

    def _pyro_post_sample(self, msg: Any) -> None:
        if msg["name"] in self.values and not msg["is_observed"]:
            msg["value"] = self.values[msg["name"]]
