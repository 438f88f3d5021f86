"""Optimizers that move all parameters in one call."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

__all__ = ["fuse"]


def fuse(optimizer: Optimizer, program: nn.Module) -> Optimizer:
    """Takes PyTorch's fused kernel where `fused` and `foreach` were left unset.

    Arguments:
        optimizer: Changed in place where it is Adam, AdamW or SGD, its parameters have 32 or 64
            bits and lie on CPU or CUDA, and the program has no sparse gradients.
        program: Whose parameters it moves.

    Returns:
        The same optimizer.

    Example:
        >>> linear = nn.Linear(2, 3)
        >>> fuse(Adam(linear.parameters()), linear).param_groups[0]["fused"]
        True
    """
    sparse = any(getattr(module, "sparse", False) for module in program.modules())
    if type(optimizer) in (Adam, AdamW, SGD) and not sparse:
        for group in optimizer.param_groups:
            told = group["fused"] is not None or group["foreach"] is not None
            if not (told or group["differentiable"]) and all(map(_served, group["params"])):
                group["fused"] = True
    return optimizer


def _served(parameter: torch.Tensor) -> bool:
    known = parameter.dtype in (torch.float32, torch.float64)
    return known and parameter.device.type in ("cpu", "cuda")
