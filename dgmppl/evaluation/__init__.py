"""What a learned program is worth: evidence, draws, imputations, distances from data."""

from dgmppl.evaluation.annealing import Annealing, ReverseAnnealing
from dgmppl.evaluation.bits import bits_per_dim
from dgmppl.evaluation.classifier import Classifier, learn_classifier
from dgmppl.evaluation.classifier_test import classifier_two_sample_test
from dgmppl.evaluation.clouds import chamfer_distance, cloud_measures
from dgmppl.evaluation.density_ratio import DensityRatio, density_ratio
from dgmppl.evaluation.drafts import Drafts, read_drafts
from dgmppl.evaluation.energies import log_partition
from dgmppl.evaluation.evidence import Evidence, evidence
from dgmppl.evaluation.frechet import frechet_distance, kernel_distance
from dgmppl.evaluation.generate import generate
from dgmppl.evaluation.impute import Imputation, impute
from dgmppl.evaluation.inception_score import inception_score
from dgmppl.evaluation.measure import Measure
from dgmppl.evaluation.modes import Modes, class_coverage, mode_coverage
from dgmppl.evaluation.parzen import parzen
from dgmppl.evaluation.perplexity import perplexity, unigram_perplexity
from dgmppl.evaluation.precision_recall import precision_recall
from dgmppl.evaluation.two_sample import energy_distance, maximum_mean_discrepancy

__all__ = [
    "Annealing",
    "Classifier",
    "DensityRatio",
    "Drafts",
    "Evidence",
    "Imputation",
    "Measure",
    "Modes",
    "ReverseAnnealing",
    "bits_per_dim",
    "chamfer_distance",
    "class_coverage",
    "classifier_two_sample_test",
    "cloud_measures",
    "density_ratio",
    "energy_distance",
    "evidence",
    "frechet_distance",
    "generate",
    "impute",
    "inception_score",
    "kernel_distance",
    "learn_classifier",
    "log_partition",
    "maximum_mean_discrepancy",
    "mode_coverage",
    "parzen",
    "perplexity",
    "precision_recall",
    "read_drafts",
    "unigram_perplexity",
]
