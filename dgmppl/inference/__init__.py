"""Learning: the loop, checkpoints, history."""

from dgmppl.inference.checkpoint import (
    CheckpointError,
    load_parameters,
    read_checkpoint,
    write_checkpoint,
)
from dgmppl.inference.early_stopping import EarlyStopping
from dgmppl.inference.fit import fit
from dgmppl.inference.history import History
from dgmppl.inference.ledger import NonFiniteError
from dgmppl.inference.lost import LostProcessError
from dgmppl.inference.run import Run

__all__ = [
    "CheckpointError",
    "EarlyStopping",
    "History",
    "LostProcessError",
    "NonFiniteError",
    "Run",
    "fit",
    "load_parameters",
    "read_checkpoint",
    "write_checkpoint",
]
