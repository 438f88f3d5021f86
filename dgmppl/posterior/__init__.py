"""What a program believes of its latents: draws for ArviZ, and whether to trust them."""

from dgmppl.posterior.diagnose import diagnose
from dgmppl.posterior.diagnosis import Diagnosis
from dgmppl.posterior.posterior import posterior

__all__ = ["Diagnosis", "diagnose", "posterior"]
