"""What a phase finds on a batch: numbers to report, and a gradient to follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.objectives.objective import Loss, Progress

__all__ = ["Estimate", "EstimateFunction"]


@dataclass(frozen=True)
class Estimate:
    """The report and the gradient of one phase on one batch.

    Arguments:
        names: What the numbers are: "surrogate", "value" where the phase knows the bound, and the
            bound's terms by site.
        numbers: `[len(names)]`, double precision, on the device.
        gradients: One for each parameter that moves, `None` where it has no part in the loss; empty
            in a phase that moves its parameters itself.
        moved: Whether the parameters have been moved along the gradients, which are gone.
    """

    names: tuple[str, ...]
    numbers: Tensor
    gradients: tuple[Tensor | None, ...]
    moved: bool = False

    @classmethod
    def of(cls, loss: Loss, gradients: tuple[Tensor | None, ...]) -> Estimate:
        """From a loss whose gradients are known."""
        value = {} if loss.value is None else {"value": loss.value}
        parts = {"surrogate": loss.surrogate, **value, **loss.terms}
        with torch.no_grad():
            numbers = torch.stack([part.reshape(()) for part in parts.values()]).double()
        return cls(tuple(parts), numbers, gradients)


EstimateFunction = Callable[[Any, Progress], Estimate]
