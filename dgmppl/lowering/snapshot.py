"""What a run of some modules may change, taken down and put back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

import dgmppl.randomness as randomness
from dgmppl.lowering.graph import LoweringError, NoGraphError

__all__ = ["Snapshot", "refuse_differences"]


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
        kept, left = ([tensor for _, tensor in each.tensors] for each in (self, other))
        refuse_differences(kept, left, "buffer", tolerance)
        for name, state in self.random.items():
            if not torch.equal(state, other.random[name]):
                raise LoweringError("the graph draws another number of random numbers")


def refuse_differences(
    expected: Sequence[Tensor], found: Sequence[Tensor], what: str, tolerance: float
) -> None:
    """Refuses tensors that are not the expected ones, up to a share of the largest number in each.

    A tensor that is next to nothing beside the others, such as the gradient of what a normalisation
    takes out again, is rounding: it may differ by as little of the largest number in all.
    """
    sizes = [
        float(a.detach().abs().nan_to_num().amax()) if a.is_floating_point() and a.numel() else 0.0
        for a in expected
    ]
    least = tolerance * max(sizes, default=0.0)
    for a, b, size in zip(expected, found, sizes, strict=True):
        if not a.is_floating_point():
            if not torch.equal(a, b):
                raise LoweringError(f"the graph gives another {what}")
            continue
        margin = tolerance * max(size, least)
        if not torch.allclose(a, b, rtol=tolerance, atol=margin, equal_nan=True):
            error = float((a - b).abs().amax()) / (size or 1.0)
            raise LoweringError(f"the graph gives another {what} (relative error {error:.1g})")
