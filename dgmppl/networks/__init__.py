"""Networks that PyTorch lacks."""

from dgmppl.networks.fill import Fill, FillBesideMask
from dgmppl.networks.flatten_batch import flatten_batch
from dgmppl.networks.moving_codebook import MovingCodebook

__all__ = [
    "Fill",
    "FillBesideMask",
    "MovingCodebook",
    "flatten_batch",
]
