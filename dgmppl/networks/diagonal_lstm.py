"""Recurrent layers that go through a picture along its diagonals, from both upper corners."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dgmppl.networks.remembers import Remembers
from dgmppl.networks.row_lstm import lstm_cell

__all__ = ["DiagonalBiLSTM"]


class Diagonal(nn.Module):
    """An LSTM whose state at a pixel comes from those to its left and above."""

    def __init__(self, channels: int):
        super().__init__()
        self.inputs = nn.Conv2d(channels, 4 * channels, 1)
        self.states = nn.Linear(2 * channels, 4 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[N channels height width]` → the same: all pixels of a diagonal at once."""
        gates = _skewed(self.inputs(x))
        columns = []
        state = cell = torch.zeros_like(x[..., 0])
        for inputs in gates.unbind(-1):
            both = torch.cat([state, F.pad(state[:, :, :-1], (1, 0))], 1)
            state, cell = lstm_cell(inputs + self.states(both.mT).mT, cell)
            columns.append(state)
        return _straight(torch.stack(columns, -1), x.shape[-1])

    def step(self, x: Tensor, left: Tensor, above: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """State and cell of one pixel, all `[N channels]`."""
        gates = self.inputs(x[..., None, None])[..., 0, 0]
        return lstm_cell(gates + self.states(torch.cat([left, above], 1)), cell)


class DiagonalBiLSTM(Remembers):
    """Two such layers, one from the left and one from the right, the latter a row lower.

    A pixel sees the values of all pixels before it, and its own.

    Arguments:
        channels: Of input and states.

    References:
        Pixel Recurrent Neural Networks, Aäron van den Oord, Nal Kalchbrenner, Koray Kavukcuoglu,
        2016. https://arxiv.org/abs/1601.06759

    Example:
        >>> DiagonalBiLSTM(4)(torch.zeros(2, 4, 6, 6)).shape
        torch.Size([2, 4, 6, 6])
    """

    def __init__(self, channels: int):
        super().__init__()
        self.left, self.right = Diagonal(channels), Diagonal(channels)

    def all(self, x: Tensor) -> Tensor:
        """`[N channels height width]` → the same."""
        right = self.right(x.flip(-1)).flip(-1)
        return self.left(x) + F.pad(right[:, :, :-1], (0, 0, 1, 0))

    def next(self, x: Tensor) -> Tensor:
        """`[N channels 1 1]` → the same; a row is gone through from the right once it is whole."""
        assert self.whole is not None
        width = self.whole[1]
        column = self.place % width
        # inputs, states from the left, states from the right; of one row, with an edge at both ends
        memory = self.kept(x, 3, *x.shape[:2], width + 2)
        if column == 0:
            if self.place:
                self._back(memory, width)
            self.cell = torch.zeros_like(x[..., 0, 0])
        at, pixel = column + 1, x[..., 0, 0]
        memory[0, :, :, at] = pixel
        before = memory[1, :, :, at - 1] if column else torch.zeros_like(pixel)
        state, self.cell = self.left.step(pixel, before, memory[1, :, :, at], self.cell)
        memory[1, :, :, at] = state
        return (state + memory[2, :, :, at])[..., None, None]

    def _back(self, memory: Tensor, width: int) -> None:
        """The states from the right of the row that has been given."""
        state = cell = torch.zeros_like(memory[0, :, :, 0])
        for at in range(width, 0, -1):
            state, cell = self.right.step(memory[0, :, :, at], state, memory[2, :, :, at], cell)
            memory[2, :, :, at] = state


def _skewed(x: Tensor) -> Tensor:
    """Row i moved i columns to the right: `[… height (width + height − 1)]`."""
    height, width = x.shape[-2:]
    padded = F.pad(x, (0, height)).flatten(-2)[..., :-height]
    return padded.unflatten(-1, (height, width + height - 1))


def _straight(x: Tensor, width: int) -> Tensor:
    """The inverse of `_skewed`."""
    height = x.shape[-2]
    return F.pad(x.flatten(-2), (0, height)).unflatten(-1, (height, -1))[..., :width]
