"""Networks that PyTorch lacks."""

from dgmppl.networks.flatten_batch import flatten_batch
from dgmppl.networks.moving_codebook import MovingCodebook

__all__ = ["MovingCodebook", "flatten_batch"]
