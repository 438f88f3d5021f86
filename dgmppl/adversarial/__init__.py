"""Critics in the place of densities: the games they play, and what keeps them smooth."""

from dgmppl.adversarial.divergence import Divergence
from dgmppl.adversarial.f_divergence import (
    FDivergence,
    KullbackLeibler,
    Pearson,
    ReverseKullbackLeibler,
    SquaredHellinger,
)
from dgmppl.adversarial.gradient_penalty import R1, R2, GradientPenalty
from dgmppl.adversarial.hinge import Hinge
from dgmppl.adversarial.jensen_shannon import (
    JensenShannon,
    MaximumLikelihoodGame,
    NonSaturating,
)
from dgmppl.adversarial.least_squares import LeastSquares
from dgmppl.adversarial.regularizer import Judge, Regularizer
from dgmppl.adversarial.spectral_norm import SpectralNorm
from dgmppl.adversarial.two_traces import TwoTraces, two_traces
from dgmppl.adversarial.wasserstein import Wasserstein
from dgmppl.adversarial.weight_clipping import WeightClipping

__all__ = [
    "R1",
    "R2",
    "Divergence",
    "FDivergence",
    "GradientPenalty",
    "Hinge",
    "JensenShannon",
    "Judge",
    "KullbackLeibler",
    "LeastSquares",
    "MaximumLikelihoodGame",
    "NonSaturating",
    "Pearson",
    "Regularizer",
    "ReverseKullbackLeibler",
    "SpectralNorm",
    "SquaredHellinger",
    "TwoTraces",
    "Wasserstein",
    "WeightClipping",
    "two_traces",
]
