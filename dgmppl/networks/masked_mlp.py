"""Multilayer perceptrons whose outputs see only the inputs before them, in one order or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MaskedMLP"]


class MaskedMLP(nn.Module):
    """Each output sees the inputs that come before its own in an order (MADE).

    Every hidden unit has a number, how many inputs it may see, evenly spread; masks leave the
    connections from lower numbers to higher ones. Several orders share all weights.

    Arguments:
        features: D, how many inputs.
        hidden_features: Widths of the hidden layers.
        outputs: How many outputs an input; with 1 they have no dimension of their own.
        orders: How many orders. The first one is that of the inputs, the others are drawn.
        seed: Of the orders.

    References:
        MADE: Masked Autoencoder for Distribution Estimation, Mathieu Germain, Karol Gregor, Iain
        Murray, Hugo Larochelle, 2015. https://arxiv.org/abs/1502.03509

    Example:
        >>> net = MaskedMLP(3, (8,))
        >>> bool(torch.autograd.functional.jacobian(net, torch.zeros(3)).triu().any())
        False
    """

    def __init__(
        self,
        features: int,
        hidden_features: Sequence[int] = (500,),
        outputs: int = 1,
        orders: int = 1,
        seed: int = 0,
    ):
        super().__init__()
        self.outputs = outputs
        sizes = (features, *hidden_features, features * outputs)
        self.layers: Any = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        draw = torch.Generator().manual_seed(seed)
        drawn = [torch.randperm(features, generator=draw) for _ in range(orders - 1)]
        self.orders: Tensor
        self.register_buffer("orders", torch.stack([torch.arange(features), *drawn]))
        seen = [torch.linspace(1, max(features - 1, 1), n).round() for n in hidden_features]
        for k, order in enumerate(self.orders):
            place = order.argsort() + 1  # 1, …, D
            numbers = [place, *seen, place.repeat_interleave(outputs) - 1]
            for i, (low, high) in enumerate(pairwise(numbers)):
                mask = (low <= high[:, None]).float()
                self.register_buffer(f"mask_{k}_{i}", mask, persistent=False)

    def forward(self, x: Tensor, which: Tensor | None = None) -> Tensor:
        """`[*batch D] → [*batch D]`, or `[*batch D outputs]`.

        Arguments:
            x: Inputs.
            which: The number of a row's order, of a shape that broadcasts with the batch; the first
                order unless told.
        """
        if which is None:
            return self._in_order(x, 0)
        event = 1 if self.outputs == 1 else 2
        which = which.reshape(*which.shape, *[1] * event)
        value = self._in_order(x, 0)
        for k in range(1, len(self.orders)):
            value = torch.where(which == k, self._in_order(x, k), value)
        return value

    def walk(self, x: Tensor, which: Tensor | None = None) -> Iterator[Tensor]:
        """Each output in turn; a step adds one input to the first layer, and takes one output."""
        which = torch.zeros((), dtype=torch.long) if which is None else which
        which = which.expand(x.shape[:-1])
        weights = [self._masked(i) for i in range(len(self.layers))]
        hidden = self.layers[0].bias.expand(*x.shape[:-1], -1)
        for at in self.orders[which].unbind(-1):
            inner = hidden
            for weight, layer in zip(weights[1:-1], self.layers[1:-1], strict=True):
                each = torch.stack([F.relu(inner) @ own.T for own in weight])
                inner = layer.bias + each.take_along_dim(which[None, ..., None], 0)[0]
            rows = at[..., None] * self.outputs + torch.arange(self.outputs)
            last = weights[-1][which[..., None], rows]
            value = (last @ F.relu(inner)[..., None])[..., 0] + self.layers[-1].bias[rows]
            yield value[..., 0] if self.outputs == 1 else value
            hidden = hidden + weights[0].mT[which, at] * x.gather(-1, at[..., None])

    def _masked(self, i: int) -> Tensor:
        """A layer's weights in all orders, `[orders, out, in]`."""
        masks = [self.get_buffer(f"mask_{k}_{i}") for k in range(len(self.orders))]
        return self.layers[i].weight * torch.stack(masks)

    def _in_order(self, x: Tensor, k: int) -> Tensor:
        for i, layer in enumerate(self.layers):
            x = F.relu(x) if i else x
            x = F.linear(x, layer.weight * self.get_buffer(f"mask_{k}_{i}"), layer.bias)
        return x if self.outputs == 1 else x.unflatten(-1, (-1, self.outputs))
