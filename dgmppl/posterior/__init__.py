"""What a program believes of its latents: draws for ArviZ, and whether to trust them."""

from dgmppl.posterior.agreement import agreement
from dgmppl.posterior.calibration import Calibration, Departure
from dgmppl.posterior.compare_guides import compare_guides
from dgmppl.posterior.comparison import Comparison
from dgmppl.posterior.diagnose import diagnose
from dgmppl.posterior.diagnosis import Diagnosis
from dgmppl.posterior.gaps import Gaps
from dgmppl.posterior.inference_gaps import inference_gaps
from dgmppl.posterior.kernel import Hamiltonian, NoUTurn
from dgmppl.posterior.machine_chains import machine_chains
from dgmppl.posterior.per_datum import Langevin, PerDatum
from dgmppl.posterior.posterior import posterior
from dgmppl.posterior.refine import refine
from dgmppl.posterior.simulate import simulation_based_calibration

__all__ = [
    "Calibration",
    "Comparison",
    "Departure",
    "Diagnosis",
    "Gaps",
    "Hamiltonian",
    "Langevin",
    "NoUTurn",
    "PerDatum",
    "agreement",
    "compare_guides",
    "diagnose",
    "inference_gaps",
    "machine_chains",
    "posterior",
    "refine",
    "simulation_based_calibration",
]
