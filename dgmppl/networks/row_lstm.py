"""Recurrent layers that go through a picture row by row."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dgmppl.networks.masked_conv import MaskedConv2d
from dgmppl.networks.remembers import Remembers

__all__ = ["RowLSTM", "lstm_cell"]


def lstm_cell(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """State and cell from the gates' inputs `[N, 4 channels, …]` and the cell before."""
    ask, keep, show, new = gates.chunk(4, 1)
    cell = keep.sigmoid() * cell + ask.sigmoid() * new.tanh()
    return show.sigmoid() * cell.tanh(), cell


class RowLSTM(Remembers):
    """An LSTM whose state is a row of pixels, each from three states of the row above.

    A pixel sees those to its left, itself, and a triangle above.

    Arguments:
        channels: Of input and state.
        kernel_size: Odd width of both convolutions.

    References:
        Pixel Recurrent Neural Networks, Aäron van den Oord, Nal Kalchbrenner, Koray Kavukcuoglu,
        2016. https://arxiv.org/abs/1601.06759

    Example:
        >>> RowLSTM(4)(torch.zeros(2, 4, 6, 6)).shape
        torch.Size([2, 4, 6, 6])
    """

    def __init__(self, channels: int, kernel_size: int = 3):
        super().__init__()
        self.side = kernel_size // 2
        self.inputs = MaskedConv2d(channels, 4 * channels, kernel_size, rows=1)
        self.states = nn.Conv1d(channels, 4 * channels, kernel_size, bias=False)

    def all(self, x: Tensor) -> Tensor:
        """`[N channels height width]` → the same."""
        rows = []
        state = cell = torch.zeros_like(x[:, :, 0])
        for inputs in self.inputs(x).unbind(2):
            above = nn.functional.pad(state, (self.side, self.side))
            state, cell = lstm_cell(inputs + self.states(above), cell)
            rows.append(state)
        return torch.stack(rows, 2)

    def next(self, x: Tensor) -> Tensor:
        """`[N channels 1 1]` → the same."""
        assert self.whole is not None
        width = self.whole[1]
        column = self.place % width
        memory = self.kept(x, 2, 2, *x.shape[:2], width + 2 * self.side)
        if column == 0:  # what was the own row is the one above: states, cells
            memory[0] = memory[1]
        seen = memory[0, 0, :, :, column : column + 2 * self.side + 1]
        at = column + self.side
        gates = self.inputs(x)[..., 0, 0] + self.states(seen)[..., 0]
        state, cell = lstm_cell(gates, memory[0, 1, :, :, at])
        memory[1, 0, :, :, at], memory[1, 1, :, :, at] = state, cell
        return state[..., None, None]
