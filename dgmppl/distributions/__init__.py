"""Distributions that Pyro lacks."""

from dgmppl.distributions.autoregressive_categorical import AutoregressiveCategorical
from dgmppl.distributions.coded import Coded
from dgmppl.distributions.hyperspherical_uniform import HypersphericalUniform
from dgmppl.distributions.implicit import Implicit, NoDensityError
from dgmppl.distributions.nearest import nearest, perplexity
from dgmppl.distributions.quantized import Quantized
from dgmppl.distributions.straight_through import (
    StraightThroughBernoulli,
    StraightThroughOneHotCategorical,
)
from dgmppl.distributions.von_mises_fisher import VonMisesFisher

__all__ = [
    "AutoregressiveCategorical",
    "Coded",
    "HypersphericalUniform",
    "Implicit",
    "NoDensityError",
    "Quantized",
    "StraightThroughBernoulli",
    "StraightThroughOneHotCategorical",
    "VonMisesFisher",
    "nearest",
    "perplexity",
]
