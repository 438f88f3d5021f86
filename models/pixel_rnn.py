"""PixelRNN: a picture's pixels row by row, by recurrent layers in two dimensions.

        x_1 ──▶ x_2 ──▶ x_3 ──▶ …        p(x) = Π_i p(x_i | x_1, …, x_{i−1})
          └───────────▶  ▲

A row LSTM's state is a whole row, and each pixel sees a triangle above. A diagonal LSTM goes
through the picture from both upper corners, and each pixel sees all that came before.

References:
    Pixel Recurrent Neural Networks, Aäron van den Oord, Nal Kalchbrenner, Koray Kavukcuoglu, 2016.
    https://arxiv.org/abs/1601.06759
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pyro
import torch
from torch import Tensor, nn

import dgmppl
from dgmppl.data import DynamicBinarisation, load
from dgmppl.distributions import Autoregressive
from dgmppl.networks import DiagonalBiLSTM, MaskedPixels, RowLSTM, flatten_batch
from dgmppl.objectives import MaximumLikelihood
from dgmppl.recipes import Recipe

__all__ = ["PixelRNN", "recipes"]


class Residual(nn.Module):
    """x + f(x) with a recurrent layer in half of the channels."""

    def __init__(self, channels: int, layer: Callable[[int], nn.Module]):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels // 2, 1),
            layer(channels // 2),
            nn.Conv2d(channels // 2, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[N channels height width]` → the same."""
        return x + self.layers(x)


class PixelRNN(dgmppl.Program):
    """Binary pictures.

    Arguments:
        image_shape: `(1, height, width)`.
        channels: Of the network.
        blocks: How many recurrent layers.
        layer: `RowLSTM` or `DiagonalBiLSTM`.

    Example:
        >>> PixelRNN((1, 8, 8), 8, 1).model(n=3).shape
        torch.Size([3, 1, 8, 8])
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        channels: int = 32,
        blocks: int = 3,
        layer: Callable[[int], nn.Module] = RowLSTM,
    ):
        super().__init__()
        self.image_shape = image_shape
        net = MaskedPixels(channels, blocks, partial(Residual, layer=layer))
        self.net = flatten_batch(net)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x), x of shape `[B, 1, height, width]`."""
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", Autoregressive(self.net, self.image_shape), obs=x)


ROWS = Recipe(
    program=PixelRNN,
    objective=MaximumLikelihood(),
    data=partial(load, name="digits", flatten=False, pixels=DynamicBinarisation()),
    optimizer=partial(torch.optim.Adam, lr=2e-3),
    epochs=20,
    batch_size=64,
    about="recurrent layers row by row",
)

recipes = {
    "row-lstm": ROWS,
    "diagonal-bilstm": replace(
        ROWS,
        program=partial(PixelRNN, layer=DiagonalBiLSTM),
        about="recurrent layers along diagonals, from both sides",
    ),
}
