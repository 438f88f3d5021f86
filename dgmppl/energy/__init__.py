"""Programs written as an energy: unit layers, and what is derived from the energy alone."""

from dgmppl.energy.annealing import AnnealedPath, LogPartition
from dgmppl.energy.chains import Chains
from dgmppl.energy.colouring import colour
from dgmppl.energy.exact import exact_log_partition
from dgmppl.energy.fast_weights import FastChains, FastWeights
from dgmppl.energy.field import Field
from dgmppl.energy.gibbs import BlockGibbs, SingleSite
from dgmppl.energy.gibbs_inference import GibbsInference
from dgmppl.energy.langevin import HMC, Langevin
from dgmppl.energy.machine import EnergyError, Machine, Sampler, States
from dgmppl.energy.mean_field import MeanField, Means
from dgmppl.energy.pseudo_likelihood import pseudo_likelihood, reconstruction
from dgmppl.energy.survey import machine_of
from dgmppl.energy.sweeps import Sweeps
from dgmppl.energy.tempering import ParallelTempering
from dgmppl.energy.units import Binary, Categorical, Counts, Gaussian, Real, Spins, Units

__all__ = [
    "HMC",
    "AnnealedPath",
    "Binary",
    "BlockGibbs",
    "Categorical",
    "Chains",
    "Counts",
    "EnergyError",
    "FastChains",
    "FastWeights",
    "Field",
    "Gaussian",
    "GibbsInference",
    "Langevin",
    "LogPartition",
    "Machine",
    "MeanField",
    "Means",
    "ParallelTempering",
    "Real",
    "Sampler",
    "SingleSite",
    "Spins",
    "States",
    "Sweeps",
    "Units",
    "colour",
    "exact_log_partition",
    "machine_of",
    "pseudo_likelihood",
    "reconstruction",
]
