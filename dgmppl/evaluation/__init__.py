"""What a learned program is worth: evidence, draws."""

from dgmppl.evaluation.bits import bits_per_dim
from dgmppl.evaluation.evidence import Evidence, evidence
from dgmppl.evaluation.generate import generate

__all__ = ["Evidence", "bits_per_dim", "evidence", "generate"]
