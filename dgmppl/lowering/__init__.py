"""Lowering: what a program does, recorded once and run without Python."""

from dgmppl.lowering.backends import Backend, Inductor, Plain
from dgmppl.lowering.choice import Compile, backends_for
from dgmppl.lowering.cuda_graphs import CUDAGraphs
from dgmppl.lowering.graph import LoweringError, is_lowering, require
from dgmppl.lowering.graphs import Graphs
from dgmppl.lowering.lower import Lowered, lower
from dgmppl.lowering.repetition import Repetition
from dgmppl.lowering.slots import Slot, exchanged, slots

__all__ = [
    "Backend",
    "CUDAGraphs",
    "Compile",
    "Graphs",
    "Inductor",
    "Lowered",
    "LoweringError",
    "Plain",
    "Repetition",
    "Slot",
    "backends_for",
    "exchanged",
    "is_lowering",
    "lower",
    "require",
    "slots",
]
