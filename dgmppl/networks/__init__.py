"""Networks that PyTorch lacks."""

from dgmppl.networks.fill import Fill, FillBesideMask
from dgmppl.networks.flatten_batch import flatten_batch

__all__ = ["Fill", "FillBesideMask", "flatten_batch"]
