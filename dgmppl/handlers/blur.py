"""Give implicit observed sites a density: a Gaussian around what was drawn."""

from __future__ import annotations

from typing import Any

from pyro.distributions import Normal
from pyro.poutine.messenger import Messenger

from dgmppl.sites import Kind, base_distribution, site_kind

__all__ = ["Blur"]


class Blur(Messenger):
    """Replaces an implicit site by Normal(draw, scale).

    Arguments:
        scale: The standard deviation.
    """

    def __init__(self, scale: float):
        super().__init__()
        self.scale = scale

    def _pyro_sample(self, msg: Any) -> None:
        if site_kind(msg) is Kind.IMPLICIT:
            fn = msg["fn"]
            msg["fn"] = Normal(base_distribution(fn).value, self.scale).to_event(fn.event_dim)
