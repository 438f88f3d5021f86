"""Draw the part of a site that is not known, given the part that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyro.poutine.messenger import Messenger
from torch import Tensor

__all__ = ["Complete"]


class Complete(Messenger):
    """Completes sites whose distribution can: those with a method `complete`.

    Layers of units are left alone: their chains hold what is known.

    Arguments:
        values: Site → value `[n, …]`; what is not known of it is ignored.
        known: Site → which elements are, of a shape that broadcasts with the value.

    Raises:
        ValueError: At a site whose distribution cannot.
    """

    def __init__(self, values: Mapping[str, Tensor], known: Mapping[str, Tensor]):
        super().__init__()
        self.values, self.known = values, known

    def _pyro_sample(self, msg: Any) -> None:
        name = msg["name"]
        if name not in self.known or msg["is_observed"] or "units" in msg["infer"]:
            return
        complete = getattr(msg["fn"], "complete", None)
        if complete is None:
            raise ValueError(
                f"Expected a site that draws its elements one after the other, got '{name}' "
                f"({type(msg['fn']).__name__}). Try impute(program, x) for a part of what a "
                "program with latent variables observes, or the whole value."
            )
        msg["value"], msg["done"] = complete(self.values[name], self.known[name]), True
