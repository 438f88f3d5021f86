"""Effect handlers, one a file."""

from dgmppl.handlers.impose import Impose
from dgmppl.handlers.observed_part import ObservedPart
from dgmppl.handlers.own_parameters import OwnParameters
from dgmppl.handlers.particles import Particles
from dgmppl.handlers.redraw import Redraw
from dgmppl.handlers.replay import Replay
from dgmppl.handlers.stop_gradient import StopGradient
from dgmppl.handlers.temper import Temper

__all__ = [
    "Impose",
    "ObservedPart",
    "OwnParameters",
    "Particles",
    "Redraw",
    "Replay",
    "StopGradient",
    "Temper",
]
