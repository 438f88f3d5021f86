"""Many draws of the latent variables at once, along one outermost dimension."""

from __future__ import annotations

from typing import Any

from pyro.poutine.broadcast_messenger import BroadcastMessenger
from pyro.poutine.indep_messenger import CondIndepStackFrame
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample

__all__ = ["Particles"]


class Particles(Messenger):
    """A plate "particles" around every site, or only around those inside another plate.

    Arguments:
        number: How many particles, K.
        dim: Their dimension, negative, left of every other plate.
        inside: Name of the plate whose sites are repeated (the other sites are then drawn once and
            shared by all particles); `None` repeats every site.
    """

    def __init__(self, number: int, dim: int, inside: str | None = None):
        super().__init__()
        self.frame = CondIndepStackFrame("particles", dim, number, 0, number)
        self.inside = inside

    def _pyro_sample(self, msg: Any) -> None:
        frames = msg["cond_indep_stack"]
        if self.inside is not None and all(frame.name != self.inside for frame in frames):
            return
        if not site_is_subsample(msg):
            msg["cond_indep_stack"] = (self.frame, *frames)  # outermost first
            BroadcastMessenger._pyro_sample(msg)
