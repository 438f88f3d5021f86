"""Learning principles, one a file, and their gradient estimators."""

from dgmppl.objectives.adaptive_contrast import AdaptiveContrast
from dgmppl.objectives.adversarial import Adversarial
from dgmppl.objectives.baselines import InputDependent, LeaveOneOut, MovingAverage
from dgmppl.objectives.bound import Bound
from dgmppl.objectives.chi_square import CUBO
from dgmppl.objectives.contrastive import Contrastive
from dgmppl.objectives.contrastive_divergence import ContrastiveDivergence
from dgmppl.objectives.distillation import Distillation
from dgmppl.objectives.elbo import ELBO
from dgmppl.objectives.enumerate import Enumerate
from dgmppl.objectives.estimators import (
    DoublyReparameterized,
    Estimator,
    Pathwise,
    StickingTheLanding,
)
from dgmppl.objectives.expectation_maximization import ExpectationMaximization
from dgmppl.objectives.expected_likelihood import ExpectedLikelihood
from dgmppl.objectives.importance import IWAE
from dgmppl.objectives.likelihood import MaximumLikelihood
from dgmppl.objectives.multiply_importance import MIWAE
from dgmppl.objectives.mutual_information import MutualInformation
from dgmppl.objectives.noise_contrastive import NoiseContrastive
from dgmppl.objectives.objective import Loss, Objective, ObjectiveError, Phase, Progress
from dgmppl.objectives.per_role import PerRole
from dgmppl.objectives.persistent_contrastive_divergence import (
    PersistentContrastiveDivergence,
)
from dgmppl.objectives.ratio import Ratio
from dgmppl.objectives.relaxed import Concrete, StraightThrough
from dgmppl.objectives.renyi import Renyi
from dgmppl.objectives.score_function import ScoreFunction
from dgmppl.objectives.score_matching import ScoreMatching
from dgmppl.objectives.sparsity import Sparsity
from dgmppl.objectives.supervised import Supervised
from dgmppl.objectives.up_down import UpDown
from dgmppl.objectives.variational_maximum_likelihood import VariationalMaximumLikelihood
from dgmppl.objectives.vector_quantization import VectorQuantization
from dgmppl.objectives.vimco import VIMCO
from dgmppl.objectives.wake_sleep import ReweightedWakeSleep, WakeSleep

__all__ = [
    "CUBO",
    "ELBO",
    "IWAE",
    "MIWAE",
    "VIMCO",
    "AdaptiveContrast",
    "Adversarial",
    "Bound",
    "Concrete",
    "Contrastive",
    "ContrastiveDivergence",
    "Distillation",
    "DoublyReparameterized",
    "Enumerate",
    "Estimator",
    "ExpectationMaximization",
    "ExpectedLikelihood",
    "InputDependent",
    "LeaveOneOut",
    "Loss",
    "MaximumLikelihood",
    "MovingAverage",
    "MutualInformation",
    "NoiseContrastive",
    "Objective",
    "ObjectiveError",
    "Pathwise",
    "PerRole",
    "PersistentContrastiveDivergence",
    "Phase",
    "Progress",
    "Ratio",
    "Renyi",
    "ReweightedWakeSleep",
    "ScoreFunction",
    "ScoreMatching",
    "Sparsity",
    "StickingTheLanding",
    "StraightThrough",
    "Supervised",
    "UpDown",
    "VariationalMaximumLikelihood",
    "VectorQuantization",
    "WakeSleep",
]
