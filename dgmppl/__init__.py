"""dgmppl: deep generative models as probabilistic programs, over Pyro and PyTorch."""

from dgmppl.binding import bind
from dgmppl.program import Pair, Program, with_guide
from dgmppl.sites import Kind, NoDensityError, data_plate, implicit, units
from dgmppl.weights import Weights, weights

__version__ = "0.1.0"

__all__ = [
    "Kind",
    "NoDensityError",
    "Pair",
    "Program",
    "Weights",
    "bind",
    "data_plate",
    "implicit",
    "units",
    "weights",
    "with_guide",
]
