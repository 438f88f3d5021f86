"""Dilated convolutions over what came before."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from dgmppl.networks.remembers import Remembers

__all__ = ["CausalConv1d"]


class CausalConv1d(Remembers):
    """A convolution over this position and earlier ones, `dilation` apart.

    Inside `remembering` it keeps the last inputs in a queue, so that a position costs one product.

    Arguments:
        in_channels: Of the input.
        out_channels: Of the output.
        kernel_size: How many positions are seen.
        dilation: Their distance.

    References:
        WaveNet: A Generative Model for Raw Audio, Aäron van den Oord et al., 2016.
        https://arxiv.org/abs/1609.03499 Fast Wavenet Generation Algorithm, Tom Le Paine et al.,
        2016. https://arxiv.org/abs/1611.09482

    Example:
        >>> import torch
        >>> CausalConv1d(2, 3, kernel_size=2, dilation=4)(torch.zeros(5, 2, 10)).shape
        torch.Size([5, 3, 10])
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, dilation: int = 1):
        super().__init__()
        self.back, self.dilation = (kernel_size - 1) * dilation, dilation
        self.bias: Tensor
        own: Any = nn.Conv1d(in_channels, out_channels, kernel_size)
        self.weight, self.bias = own.weight, own.bias

    def all(self, x: Tensor) -> Tensor:
        """`[N in length] → [N out length]`."""
        x = F.pad(x, (self.back, 0))
        return F.conv1d(x, self.weight, self.bias, dilation=self.dilation)

    def next(self, x: Tensor) -> Tensor:
        """`[N in 1] → [N out 1]`."""
        size = self.back + 1
        queue = self.kept(x, *x.shape[:2], size)
        here = self.place % size
        queue[:, :, here] = x[..., 0]
        seen = [(here + 1 + i * self.dilation) % size for i in range(self.weight.shape[2])]
        return (queue[:, :, seen].flatten(1) @ self.weight.flatten(1).T + self.bias)[..., None]
