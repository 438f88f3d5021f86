"""What a layer of units feels of the others."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Field", "by_row"]


@dataclass(frozen=True)
class Field:
    """The log-factor as a function of one layer s, the others held: linear·s − ½ curvature·s².

    Arguments:
        linear: ∂ log-factor / ∂s at s = 0, `[*batch, *event]`.
        state: The layer's present state, of the same shape.
        curvature: −∂² / ∂s², for layers whose energy is quadratic, else `None`.
    """

    linear: Tensor
    state: Tensor
    curvature: Tensor | None = None

    def tempered(self, power: float | Tensor) -> Field:
        """That of the log-factor times a power, or times one a row, `[B]`."""
        if isinstance(power, Tensor) and power.dim() == 1:
            power = by_row(power, self.linear)
        curved = None if self.curvature is None else self.curvature * power
        return Field(self.linear * power, self.state, curved)


def by_row(values: Tensor, like: Tensor) -> Tensor:
    """One number a row, `[B]`, in a shape that broadcasts to `[B, …]`."""
    return values.reshape(-1, *[1] * (like.dim() - 1))
