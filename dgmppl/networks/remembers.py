"""Layers of causal networks that can be given one position after the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["Remembers", "remembering"]


class Remembers(nn.Module):
    """A layer that, inside `remembering`, is given one position a call and keeps the others.

    Its value at a position is then what it is for the whole input at once, so that a network which
    is written once is drawn from without computing anything twice.
    """

    #: Height and width, or length, of the whole; `None` outside of `remembering`.
    whole: tuple[int, ...] | None = None
    place = 0
    memory: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """The whole, or the next position of it."""
        if self.whole is None:
            return self.all(x)
        value = self.next(x)
        self.place += 1
        return value

    @abstractmethod
    def all(self, x: Tensor) -> Tensor:
        """The layer's values at all positions."""

    @abstractmethod
    def next(self, x: Tensor) -> Tensor:
        """Its value at `place`, which is the number of calls before this one."""

    def kept(self, like: Tensor, *shape: int) -> Tensor:
        """The memory: zeros of this shape at first."""
        if self.memory is None:
            self.memory = like.new_zeros(shape)
        return self.memory


@contextmanager
def remembering(net: nn.Module, whole: tuple[int, ...]) -> Iterator[None]:
    """Has all layers of a network take one position after the other.

    Arguments:
        net: The network.
        whole: Height and width, or length, of what is to come.
    """
    layers = [layer for layer in net.modules() if isinstance(layer, Remembers)]
    try:
        for layer in layers:
            layer.whole, layer.place, layer.memory = whole, 0, None
        with torch.no_grad():
            yield
    finally:
        for layer in layers:
            layer.whole, layer.memory = None, None
