"""The network of WaveNet: gated dilated convolutions over the samples before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from dgmppl.networks.causal_conv import CausalConv1d
from dgmppl.networks.gated import gated
from dgmppl.networks.remembers import remembering

__all__ = ["WaveStack"]


class Gated(nn.Module):
    """tanh(a) · σ(b) of a dilated convolution; what goes on, and what is skipped to the end."""

    def __init__(
        self,
        channels: int,
        skip_channels: int,
        dilation: int,
        condition_features: int,
        *,
        last: bool,
    ):
        super().__init__()
        self.conv = CausalConv1d(channels, 2 * channels, 2, dilation)
        self.on = None if last else nn.Conv1d(channels, channels, 1)
        self.skip = nn.Conv1d(channels, skip_channels, 1)
        self.condition = (
            nn.Linear(condition_features, 2 * channels, bias=False) if condition_features else None
        )

    def forward(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """`[N channels length] → [N channels length], [N skip length]`."""
        both = self.conv(x)
        if self.condition is not None:
            both = both + self.condition(condition)[..., None]
        value = gated(both)
        return x if self.on is None else x + self.on(value), self.skip(value)


class WaveStack(nn.Module):
    """Parameters of every sample from those before, 2^layers of them a block.

    Arguments:
        outputs: How many parameters a sample.
        channels: Of the convolutions.
        layers: Of a block, with dilations 1, 2, 4, ….
        blocks: How often.
        skip_channels: Of what is added up at the end.
        condition_features: Size of conditions of the whole; 0 for none.

    References:
        WaveNet: A Generative Model for Raw Audio, Aäron van den Oord et al., 2016.
        https://arxiv.org/abs/1609.03499

    Example:
        >>> import torch
        >>> net = WaveStack(16, channels=4, layers=3, blocks=2)
        >>> net(torch.zeros(2, 50)).shape, net.receptive_field
        (torch.Size([2, 50, 16]), 15)
    """

    def __init__(
        self,
        outputs: int = 256,
        channels: int = 32,
        layers: int = 8,
        blocks: int = 2,
        skip_channels: int = 64,
        condition_features: int = 0,
    ):
        super().__init__()
        self.receptive_field = blocks * (2**layers - 1) + 1
        self.first = nn.Conv1d(1, channels, 1)
        dilations = [2**i for _ in range(blocks) for i in range(layers)]
        self.layers: Any = nn.ModuleList(
            Gated(channels, skip_channels, d, condition_features, last=i == len(dilations) - 1)
            for i, d in enumerate(dilations)
        )
        self.output = nn.Sequential(
            nn.ReLU(),
            nn.Conv1d(skip_channels, skip_channels, 1),
            nn.ReLU(),
            nn.Conv1d(skip_channels, outputs, 1),
        )

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """`[N length] → [N length outputs]`; conditions are `[N condition_features]`."""
        return self._after(F.pad(x[:, :-1], (1, 0)), condition)

    def walk(self, x: Tensor, condition: Tensor | None = None) -> Iterator[Tensor]:
        """Each sample's parameters in turn, `[N outputs]`."""
        sample = x[:, :1] * 0
        with remembering(self, (x.shape[1],)):
            for place in range(x.shape[1]):
                yield self._after(sample, condition)[:, 0]
                sample = x[:, place : place + 1]

    def _after(self, x: Tensor, condition: Tensor | None) -> Tensor:
        x, total = self.first(x[:, None]), 0.0
        for layer in self.layers:
            x, skipped = layer(x, condition)
            total = total + skipped
        value: Tensor = self.output(total).mT
        return value
