"""Convolutions that see only the pixels above and to the left."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dgmppl.networks.remembers import Remembers

__all__ = ["MaskedConv2d"]


class MaskedConv2d(Remembers):
    """A convolution whose value at a pixel depends on pixels before it, row by row.

    Arguments:
        in_channels: Of the input.
        out_channels: Of the output.
        kernel_size: Odd side of the kernel.
        sees_self: Whether the pixel itself is seen, as in all layers but a network's first. A
            first layer is given the pixel before, inside `remembering`.
        rows: How many rows of the kernel there are, from the lowest up, which is the pixel's own:
            1 sees pixels to the left only. Half of the kernel, rounded up, unless told.

    References:
        Pixel Recurrent Neural Networks, Aäron van den Oord, Nal Kalchbrenner, Koray Kavukcuoglu,
        2016. https://arxiv.org/abs/1601.06759

    Example:
        >>> conv, x = MaskedConv2d(1, 1, 3, sees_self=False), torch.zeros(1, 1, 4, 4)
        >>> changed = x.clone()
        >>> changed[..., 1, 1] = 1.0
        >>> (conv(changed) != conv(x)).nonzero()[:, 2:].tolist()
        [[1, 2], [2, 0], [2, 1], [2, 2]]
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        sees_self: bool = True,
        rows: int | None = None,
    ):
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"Expected an odd kernel_size, got {kernel_size}. Try 3.")
        self.sees_self, self.side = sees_self, kernel_size // 2
        self.rows = self.side + 1 if rows is None else rows
        self.bias: Tensor
        own: Any = nn.Conv2d(in_channels, out_channels, (self.rows, kernel_size))
        self.weight, self.bias = own.weight, own.bias
        mask = torch.ones(self.rows, kernel_size)
        mask[-1, self.side + sees_self :] = 0.0
        self.mask: Tensor
        self.register_buffer("mask", mask, persistent=False)

    def all(self, x: Tensor) -> Tensor:
        """`[N in height width] → [N out height width]`."""
        x = F.pad(x, (self.side, self.side, self.rows - 1, 0))
        return F.conv2d(x, self.weight * self.mask, self.bias)

    def next(self, x: Tensor) -> Tensor:
        """`[N in 1 1] → [N out 1 1]`: writes one pixel, reads the window of the next one."""
        assert self.whole is not None
        height, width = self.whole
        above, side = self.rows - 1, self.side
        memory = self.kept(x, *x.shape[:2], height + above, width + 2 * side)
        row, column = divmod(self.place, width)
        if self.sees_self or self.place:
            at = divmod(self.place - (not self.sees_self), width)
            memory[:, :, at[0] + above, at[1] + side] = x[:, :, 0, 0]
        window = memory[:, :, row : row + self.rows, column : column + 2 * side + 1]
        weight = (self.weight * self.mask).flatten(1)
        return (window.flatten(1) @ weight.T + self.bias)[:, :, None, None]
