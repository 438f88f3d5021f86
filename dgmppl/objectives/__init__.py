"""Learning principles, one a file, and their gradient estimators."""

from dgmppl.objectives.bound import Bound
from dgmppl.objectives.elbo import ELBO
from dgmppl.objectives.estimators import (
    DoublyReparameterized,
    Estimator,
    Pathwise,
    ScoreFunction,
    StickingTheLanding,
)
from dgmppl.objectives.expectation_maximization import ExpectationMaximization
from dgmppl.objectives.importance import IWAE
from dgmppl.objectives.likelihood import MaximumLikelihood
from dgmppl.objectives.objective import Loss, Objective, ObjectiveError, Phase, Progress
from dgmppl.objectives.renyi import Renyi
from dgmppl.objectives.vector_quantization import VectorQuantization
from dgmppl.objectives.vimco import VIMCO
from dgmppl.objectives.wake_sleep import ReweightedWakeSleep, WakeSleep

__all__ = [
    "ELBO",
    "IWAE",
    "VIMCO",
    "Bound",
    "DoublyReparameterized",
    "Estimator",
    "ExpectationMaximization",
    "Loss",
    "MaximumLikelihood",
    "Objective",
    "ObjectiveError",
    "Pathwise",
    "Phase",
    "Progress",
    "Renyi",
    "ReweightedWakeSleep",
    "ScoreFunction",
    "StickingTheLanding",
    "VectorQuantization",
    "WakeSleep",
]
