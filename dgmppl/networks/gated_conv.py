"""Gated convolutions in two stacks, which together see all pixels above and to the left."""

from __future__ import annotations

from torch import Tensor, nn

from dgmppl.networks.gated import gated
from dgmppl.networks.masked_conv import MaskedConv2d
from dgmppl.networks.rows_above import RowsAbove

__all__ = ["GatedConv2d"]


class GatedConv2d(nn.Module):
    """A layer of the gated PixelCNN: tanh(a) · σ(b), with a and b from both stacks.

    The vertical stack sees whole rows above, the horizontal one the pixels to the left and the
    vertical stack: no pixel before is hidden from both.

    Arguments:
        channels: Of either stack.
        kernel_size: Odd side of the kernel.
        condition_features: Size of the conditions; 0 for none.
        in_channels: Of a first layer, which does not see the pixel itself; `None` for others.

    References:
        Conditional Image Generation with PixelCNN Decoders, Aäron van den Oord et al., 2016.
        https://arxiv.org/abs/1606.05328

    Example:
        >>> import torch
        >>> layer, x = GatedConv2d(4, in_channels=1), torch.zeros(2, 1, 6, 6)
        >>> above, links = layer.vertical(x)
        >>> layer.horizontal(x, links).shape
        torch.Size([2, 4, 6, 6])
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 3,
        condition_features: int = 0,
        in_channels: int | None = None,
    ):
        super().__init__()
        self.first = in_channels is not None
        channels_in = channels if in_channels is None else in_channels
        self.above = RowsAbove(channels_in, 2 * channels, kernel_size, sees_self=not self.first)
        self.link = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.left = MaskedConv2d(
            channels_in, 2 * channels, kernel_size, sees_self=not self.first, rows=1
        )
        self.out = nn.Conv2d(channels, channels, 1)
        self.condition = (
            nn.Linear(condition_features, 4 * channels, bias=False) if condition_features else None
        )

    def vertical(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The vertical stack's values and what the horizontal one is told of them.

        Arguments:
            x: `[N, in, rows, width]`.
            condition: `[N, features]`.
        """
        seen = self.above(x)
        told = self.link(seen)
        if self.condition is not None:
            up, left = self.condition(condition)[..., None, None].chunk(2, 1)
            seen, told = seen + up, told + left
        return gated(seen), told

    def horizontal(self, x: Tensor, told: Tensor) -> Tensor:
        """The horizontal stack's values, `[N, channels, height, width]`."""
        value = self.out(gated(self.left(x) + told))
        return value if self.first else x + value
