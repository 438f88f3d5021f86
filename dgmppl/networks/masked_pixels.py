"""Networks of pixels: blocks of masked convolutions, or of recurrent layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor, nn

from dgmppl.networks.masked_conv import MaskedConv2d
from dgmppl.networks.remembers import remembering

__all__ = ["MaskedBlock", "MaskedPixels"]


class MaskedBlock(nn.Module):
    """x + f(x) with one masked convolution in half of the channels.

    Arguments:
        channels: Of x.
        kernel_size: Odd side of the kernel.

    Example:
        >>> import torch
        >>> MaskedBlock(8)(torch.zeros(2, 8, 6, 6)).shape
        torch.Size([2, 8, 6, 6])
    """

    def __init__(self, channels: int, kernel_size: int = 3):
        super().__init__()
        half = channels // 2
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, half, 1),
            nn.ReLU(),
            MaskedConv2d(half, half, kernel_size),
            nn.ReLU(),
            nn.Conv2d(half, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[N channels height width]` → the same."""
        return x + self.layers(x)


class MaskedPixels(nn.Module):
    """Parameters of every pixel from those above and to the left.

    Of pixels above and far to the right some are not seen: the blind spot, see `GatedPixels`.

    Arguments:
        channels: Of the blocks; the first convolution's kernel has side 7.
        blocks: How many.
        block: Channels → a layer `[N channels height width]` → the same, whose pixels see those
            before and themselves.
        outputs: How many parameters a pixel; with 1 they have no dimension of their own.

    References:
        Pixel Recurrent Neural Networks, Aäron van den Oord, Nal Kalchbrenner, Koray Kavukcuoglu,
        2016. https://arxiv.org/abs/1601.06759

    Example:
        >>> import torch
        >>> MaskedPixels(8, 2)(torch.zeros(5, 1, 6, 6)).shape
        torch.Size([5, 1, 6, 6])
    """

    def __init__(
        self,
        channels: int = 32,
        blocks: int = 7,
        block: Callable[[int], nn.Module] = MaskedBlock,
        outputs: int = 1,
    ):
        super().__init__()
        self.outputs = outputs
        self.layers = nn.Sequential(
            MaskedConv2d(1, channels, 7, sees_self=False),
            *[block(channels) for _ in range(blocks)],
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(),
            nn.Conv2d(channels, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[N 1 height width] → [N 1 height width]`, or `[N 1 height width outputs]`."""
        value = self.layers(x)
        return value if self.outputs == 1 else value.movedim(1, -1)[:, None]

    def walk(self, x: Tensor) -> Iterator[Tensor]:
        """Each pixel's parameters in turn, `[N]` or `[N outputs]`."""
        height, width = x.shape[-2:]
        pixel = x[..., :1, :1]
        with remembering(self, (height, width)):
            for place in range(height * width):
                value = self.layers(pixel).flatten(1)
                yield value[:, 0] if self.outputs == 1 else value
                row, column = divmod(place, width)
                pixel = x[:, :, row : row + 1, column : column + 1]
