"""Draw anew what the data observe."""

from __future__ import annotations

from typing import Any

from pyro.poutine.uncondition_messenger import UnconditionMessenger

__all__ = ["Redraw"]


class Redraw(UnconditionMessenger):
    """Forgets observations; deterministic sites and factors, which have no draw, stay."""

    def _pyro_sample(self, msg: Any) -> None:
        auxiliary = msg["infer"].get("is_auxiliary", False)
        if not (msg["infer"].get("_deterministic", False) or (auxiliary and msg["is_observed"])):
            super()._pyro_sample(msg)
