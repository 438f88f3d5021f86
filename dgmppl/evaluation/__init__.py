"""What a learned program is worth: evidence, draws, imputations."""

from dgmppl.evaluation.bits import bits_per_dim
from dgmppl.evaluation.evidence import Evidence, evidence
from dgmppl.evaluation.generate import generate
from dgmppl.evaluation.impute import Imputation, impute

__all__ = ["Evidence", "Imputation", "bits_per_dim", "evidence", "generate", "impute"]
