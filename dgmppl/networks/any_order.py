"""Networks that are told which elements they are shown, and so draw in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

__all__ = ["AnyOrder"]


class AnyOrder(nn.Module):
    """The parameters of every element from those before it in an order: a pass for each.

    Arguments:
        net: Values, with 0 for what is hidden, beside zeros and ones that tell them apart,
            `[*batch, 2 D]` → a parameter for every element, `[*batch, D]`.

    References:
        A Deep and Tractable Density Estimator, Benigno Uria, Iain Murray, Hugo Larochelle, 2014.
        https://arxiv.org/abs/1310.1757

    Example:
        >>> AnyOrder(nn.Linear(6, 3))(torch.zeros(5, 3), torch.tensor([2, 0, 1])).shape
        torch.Size([5, 3])
    """

    any_order = True

    def __init__(self, net: Callable[[Tensor], Tensor]):
        super().__init__()
        self.net = net

    def given(self, x: Tensor, seen: Tensor) -> Tensor:
        """Parameters of all elements from those that are seen, `[*batch, D]`."""
        return self.net(torch.cat([torch.where(seen, x, 0.0), seen.to(x.dtype)], -1))

    def forward(self, x: Tensor, order: Tensor) -> Tensor:
        """Parameters of each element from those before it, `[*batch, D]`.

        Arguments:
            x: `[*batch, D]`.
            order: Which element is first, second, …: `[D]` or `[*batch, D]`.
        """
        place = order.argsort(-1).expand(x.shape)
        value = torch.zeros_like(x)
        for step in range(x.shape[-1]):
            value = torch.where(place == step, self.given(x, place < step), value)
        return value

    def walk(self, x: Tensor, order: Tensor) -> Iterator[Tensor]:
        """Each in turn."""
        order = order.expand(x.shape)
        place = order.argsort(-1)
        for step, at in enumerate(order.unbind(-1)):
            yield self.given(x, place < step).gather(-1, at[..., None])[..., 0]
