"""Effect handlers, one a file."""

from dgmppl.handlers.blur import Blur
from dgmppl.handlers.complete import Complete
from dgmppl.handlers.configure import Configure
from dgmppl.handlers.exchange import Exchange
from dgmppl.handlers.impose import Impose
from dgmppl.handlers.lattice import Lattice
from dgmppl.handlers.observed_part import ObservedPart
from dgmppl.handlers.own_parameters import OwnParameters
from dgmppl.handlers.particles import Particles
from dgmppl.handlers.redraw import Redraw
from dgmppl.handlers.replay import Replay
from dgmppl.handlers.shift import Shift
from dgmppl.handlers.stop_gradient import StopGradient
from dgmppl.handlers.temper import Temper
from dgmppl.handlers.unconstrained import Unconstrained
from dgmppl.handlers.unscored import Unscored

__all__ = [
    "Blur",
    "Complete",
    "Configure",
    "Exchange",
    "Impose",
    "Lattice",
    "ObservedPart",
    "OwnParameters",
    "Particles",
    "Redraw",
    "Replay",
    "Shift",
    "StopGradient",
    "Temper",
    "Unconstrained",
    "Unscored",
]
