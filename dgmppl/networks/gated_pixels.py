"""The network of the gated PixelCNN: two stacks of gated convolutions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from dgmppl.networks.gated_conv import GatedConv2d
from dgmppl.networks.remembers import remembering

__all__ = ["GatedPixels"]


class GatedPixels(nn.Module):
    """Parameters of every pixel from all those above and to the left, and from conditions.

    Arguments:
        channels: Of either stack.
        layers: How many, with the first, whose kernel has side 7.
        kernel_size: Of the others.
        outputs: How many parameters a pixel; with 1 they have no dimension of their own.
        condition_features: Size of the conditions; 0 for none.

    References:
        Conditional Image Generation with PixelCNN Decoders, Aäron van den Oord et al., 2016.
        https://arxiv.org/abs/1606.05328

    Example:
        >>> import torch
        >>> GatedPixels(8, 2)(torch.zeros(5, 1, 6, 6)).shape
        torch.Size([5, 1, 6, 6])
    """

    def __init__(
        self,
        channels: int = 32,
        layers: int = 7,
        kernel_size: int = 3,
        outputs: int = 1,
        condition_features: int = 0,
    ):
        super().__init__()
        self.outputs = outputs
        first = GatedConv2d(channels, 7, condition_features, in_channels=1)
        rest = [GatedConv2d(channels, kernel_size, condition_features) for _ in range(layers - 1)]
        self.layers: Any = nn.ModuleList([first, *rest])
        self.output = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, outputs, 1)
        )

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """`[N 1 height width] → [N 1 height width]`, or `[N 1 height width outputs]`.

        Arguments:
            x: Pixels.
            condition: `[N, condition_features]`.
        """
        value = self._across(x, self._down(x, condition))
        return value if self.outputs == 1 else value.movedim(1, -1)[:, None]

    def walk(self, x: Tensor, condition: Tensor | None = None) -> Iterator[Tensor]:
        """Each pixel's parameters in turn, `[N]` or `[N outputs]`; the vertical stack by rows."""
        height, width = x.shape[-2:]
        above, pixel = x[:, :, :1], x[..., :1, :1]
        with remembering(self, (height, width)):
            for row in range(height):
                told = [*self._down(above, condition)]
                above = x[:, :, row : row + 1]
                for column in range(width):
                    here = slice(column, column + 1)
                    value = self._across(pixel, (t[..., here] for t in told)).flatten(1)
                    yield value[:, 0] if self.outputs == 1 else value
                    pixel = above[..., here]

    def _down(self, x: Tensor, condition: Tensor | None) -> Iterator[Tensor]:
        """What the vertical stack tells each layer of the horizontal one."""
        for layer in self.layers:
            x, told = layer.vertical(x, condition)
            yield told

    def _across(self, x: Tensor, links: Iterator[Tensor]) -> Tensor:
        for layer, told in zip(self.layers, links, strict=True):
            x = layer.horizontal(x, told)
        return self.output(x)
