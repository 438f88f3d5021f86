"""Distributions that Pyro lacks."""

from dgmppl.distributions.hyperspherical_uniform import HypersphericalUniform
from dgmppl.distributions.implicit import Implicit, NoDensityError
from dgmppl.distributions.straight_through import (
    StraightThroughBernoulli,
    StraightThroughOneHotCategorical,
)
from dgmppl.distributions.von_mises_fisher import VonMisesFisher

__all__ = [
    "HypersphericalUniform",
    "Implicit",
    "NoDensityError",
    "StraightThroughBernoulli",
    "StraightThroughOneHotCategorical",
    "VonMisesFisher",
]
