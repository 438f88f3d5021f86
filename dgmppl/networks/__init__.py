"""Networks that PyTorch lacks."""

from dgmppl.networks.flatten_batch import flatten_batch

__all__ = ["flatten_batch"]
