"""What a run of some modules may change, taken down and put back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

import dgmppl.randomness as randomness
from dgmppl.lowering.graph import LoweringError, NoGraphError

__all__ = ["Snapshot", "refuse_difference"]


class Snapshot:
    """Parameters, buffers and random states as they are now.

    Arguments:
        modules: Whose tensors.
    """

    def __init__(self, modules: Sequence[nn.Module]):
        own = [t for m in modules for t in (*m.parameters(), *m.buffers())]
        self.tensors = [(tensor, tensor.detach().clone()) for tensor in own]
        self.random = randomness.snapshot()

    @torch.no_grad()
    def put_back(self) -> None:
        """As it was."""
        for tensor, kept in self.tensors:
            tensor.copy_(kept)
        randomness.restore(self.random)

    def refuse_foreign_draws(self, after: Snapshot) -> None:
        """Refuses what drew random numbers that no graph records."""
        for name in ("numpy", "python"):
            if not torch.equal(self.random[name], after.random[name]):
                raise NoGraphError(f"{name} draws random numbers (only PyTorch's are recorded)")

    def refuse_difference(self, other: Snapshot, tolerance: float) -> None:
        """Refuses what left other buffers or another state of random numbers."""
        for (_, a), (_, b) in zip(self.tensors, other.tensors, strict=True):
            refuse_difference(a, b, "buffer", tolerance)
        for name, state in self.random.items():
            if not torch.equal(state, other.random[name]):
                raise LoweringError("the graph draws another number of random numbers")


def refuse_difference(a: Tensor, b: Tensor, what: str, tolerance: float) -> None:
    """Refuses a tensor `b` that is not `a`, up to a share of the largest number in it."""
    if not a.is_floating_point():
        if not torch.equal(a, b):
            raise LoweringError(f"the graph gives another {what}")
        return
    largest = float(a.abs().amax()) if a.numel() else 0.0
    if not torch.allclose(a, b, rtol=tolerance, atol=tolerance * largest, equal_nan=True):
        error = float((a - b).abs().amax()) / (largest or 1.0)
        raise LoweringError(f"the graph gives another {what} (relative error {error:.1g})")
