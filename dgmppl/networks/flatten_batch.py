"""Let a network that knows one batch dimension take any number of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["flatten_batch"]


class FlattenBatch(nn.Module):
    """Flattens all leading dimensions into one, calls a network, and restores them."""

    def __init__(self, net: nn.Module, event_dim: int):
        super().__init__()
        self.net: Any = net
        self.event_dim = event_dim

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """`[*batch, *event]` → `[*batch, *output]`; conditions are `[*batch, features]`."""
        split = x.dim() - self.event_dim
        if split < 0:
            raise ValueError(
                f"Expected at least {self.event_dim} dimensions, got shape {tuple(x.shape)}."
            )
        given = []
        if condition is not None:
            batch = torch.broadcast_shapes(x.shape[:split], condition.shape[:-1])
            x = x.expand(*batch, *x.shape[split:])
            split = len(batch)
            given = [_rows(condition.expand(*batch, -1), split)]
        y = self.net(_rows(x, split), *given)
        return y.reshape(*x.shape[:split], *y.shape[1:])

    @property
    def walk(self) -> Callable[..., Iterator[Tensor]] | None:
        """The network's own `walk`, see `distributions.Autoregressive`, where it has one."""
        return self._walk if hasattr(self.net, "walk") else None

    def _walk(self, x: Tensor, condition: Tensor | None = None) -> Iterator[Tensor]:
        split = x.dim() - self.event_dim
        batch = x.shape[:split]
        given = [] if condition is None else [_rows(condition.expand(*batch, -1), split)]
        for y in self.net.walk(x.view(-1, *x.shape[split:]), *given):  # a view: x is being filled
            yield y.reshape(*batch, *y.shape[1:])


def _rows(x: Tensor, split: int) -> Tensor:
    return x.reshape(-1, *x.shape[split:])


def flatten_batch(net: nn.Module, event_dim: int = 3) -> FlattenBatch:
    """Makes a network of one batch dimension (a convolution, say) accept any leading dimensions.

    Arguments:
        net: Takes `[N, *event]`.
        event_dim: Number of dimensions of one input: 3 for images `[channels, height, width]`.

    Example:
        >>> flatten_batch(nn.Conv2d(1, 4, 3))(torch.zeros(5, 2, 1, 8, 8)).shape
        torch.Size([5, 2, 4, 6, 6])
    """
    return FlattenBatch(net, event_dim)
