"""Distributions that Pyro lacks."""

from dgmppl.distributions.autoregressive import Autoregressive
from dgmppl.distributions.coded import Coded
from dgmppl.distributions.discretized_logistic import DiscretizedLogistic
from dgmppl.distributions.hyperspherical_uniform import HypersphericalUniform
from dgmppl.distributions.implicit import Implicit, NoDensityError
from dgmppl.distributions.mu_law_categorical import MuLawCategorical, mu_law, mu_law_levels
from dgmppl.distributions.nearest import nearest, perplexity
from dgmppl.distributions.quantized import Quantized
from dgmppl.distributions.straight_through import (
    StraightThroughBernoulli,
    StraightThroughOneHotCategorical,
)
from dgmppl.distributions.von_mises_fisher import VonMisesFisher

__all__ = [
    "Autoregressive",
    "Coded",
    "DiscretizedLogistic",
    "HypersphericalUniform",
    "Implicit",
    "MuLawCategorical",
    "NoDensityError",
    "Quantized",
    "StraightThroughBernoulli",
    "StraightThroughOneHotCategorical",
    "VonMisesFisher",
    "mu_law",
    "mu_law_levels",
    "nearest",
    "perplexity",
]
