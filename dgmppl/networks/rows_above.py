"""Convolutions that see whole rows above."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dgmppl.networks.remembers import Remembers

__all__ = ["RowsAbove"]


class RowsAbove(Remembers):
    """A convolution whose value at a pixel depends on the rows above, to both sides.

    What it is given may depend on all pixels of rows above; inside `remembering` it is given one
    row a call.

    Arguments:
        in_channels: Of the input.
        out_channels: Of the output.
        kernel_size: Odd width of the kernel, whose height is half of it, rounded up.
        sees_self: Whether the input's own row is seen. A first layer, whose input are the pixels,
            does not see it, and is given the row above inside `remembering`.

    Example:
        >>> RowsAbove(1, 4, 3, sees_self=False)(torch.zeros(2, 1, 6, 6)).shape
        torch.Size([2, 4, 6, 6])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, sees_self: bool = True
    ):
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"Expected an odd kernel_size, got {kernel_size}. Try 3.")
        self.sees_self, self.side = sees_self, kernel_size // 2
        self.bias: Tensor
        own: Any = nn.Conv2d(in_channels, out_channels, (self.side + 1, kernel_size))
        self.weight, self.bias = own.weight, own.bias

    def all(self, x: Tensor) -> Tensor:
        """`[N in height width] → [N out height width]`."""
        above = self.side + (not self.sees_self)
        x = F.pad(x, (self.side, self.side, above, 0))[:, :, : x.shape[2] + self.side]
        return F.conv2d(x, self.weight, self.bias)

    def next(self, x: Tensor) -> Tensor:
        """`[N in 1 width] → [N out 1 width]`."""
        memory = self.kept(x, *x.shape[:2], self.side + 1, x.shape[3])
        if self.sees_self or self.place:
            memory = self.memory = torch.cat([memory[:, :, 1:], x], 2)
        return F.conv2d(memory, self.weight, self.bias, padding=(0, self.side))
