"""dgmppl: deep generative models as probabilistic programs, over Pyro and PyTorch."""

from dgmppl.binding import ProgramError, bind
from dgmppl.description import describe
from dgmppl.evaluation import bits_per_dim, evidence, generate, impute
from dgmppl.incomplete import Incomplete
from dgmppl.inference import fit
from dgmppl.posterior import (
    agreement,
    compare_guides,
    diagnose,
    inference_gaps,
    posterior,
    refine,
    simulation_based_calibration,
)
from dgmppl.program import Pair, Program, with_guide
from dgmppl.sites import Kind, NoDensityError, data_plate, implicit, units
from dgmppl.weights import Weights, weights

__version__ = "0.1.0"

__all__ = [
    "Incomplete",
    "Kind",
    "NoDensityError",
    "Pair",
    "Program",
    "ProgramError",
    "Weights",
    "agreement",
    "bind",
    "bits_per_dim",
    "compare_guides",
    "data_plate",
    "describe",
    "diagnose",
    "evidence",
    "fit",
    "generate",
    "implicit",
    "impute",
    "inference_gaps",
    "posterior",
    "refine",
    "simulation_based_calibration",
    "units",
    "weights",
    "with_guide",
]
