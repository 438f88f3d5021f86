"""Recurrent networks that are given one position after the other."""

from __future__ import annotations

from torch import Tensor, nn

from dgmppl.networks.remembers import Remembers

__all__ = ["Recurrent"]


class Recurrent(Remembers):
    """A recurrent network of PyTorch's, such as `nn.LSTM(…, batch_first=True)`.

    Inside `remembering` it keeps its state.

    Example:
        >>> import torch
        >>> Recurrent(nn.GRU(4, 8, batch_first=True))(torch.zeros(5, 6, 4)).shape
        torch.Size([5, 6, 8])
    """

    def __init__(self, net: nn.RNNBase):
        super().__init__()
        self.net = net

    def all(self, x: Tensor) -> Tensor:
        """`[N length in] → [N length out]`."""
        return self.net(x)[0]

    def next(self, x: Tensor) -> Tensor:
        """`[N 1 in] → [N 1 out]`."""
        value, self.memory = self.net(x, self.memory)
        return value
