"""Data that live where they are used."""

from __future__ import annotations

from typing import Any

import torch

from dgmppl.data.nested import named_tensors
from dgmppl.data.tensors import TensorData

__all__ = ["held_on"]

#: The share of a GPU's free memory that data may take.
SHARE = 0.25


def held_on(device: torch.device, data: Any) -> Any:
    """The data on a GPU, where they take a small part of its free memory; else as they are.

    Batches then need no copy from the CPU, which takes longer than a small program's step.

    Arguments:
        device: Where they are used.
        data: Anything; only `TensorData` are moved.
    """
    if device.type != "cuda" or not isinstance(data, TensorData):
        return data
    size = sum(tensor.nbytes for _, tensor in named_tensors(data.values))
    free, _ = torch.cuda.mem_get_info(device)
    return data.to(device) if size <= SHARE * free else data
