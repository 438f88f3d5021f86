"""Attention to what came before."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from dgmppl.networks.remembers import Remembers

__all__ = ["CausalAttention"]


class CausalAttention(Remembers):
    """Attention of several heads to this position and earlier ones.

    Inside `remembering` it keeps keys and values, so that a position attends in one row.

    Arguments:
        features: Of input and output.
        heads: How many heads share them.

    References:
        Attention Is All You Need, Ashish Vaswani et al., 2017. https://arxiv.org/abs/1706.03762

    Example:
        >>> import torch
        >>> CausalAttention(8, heads=2)(torch.zeros(5, 10, 8)).shape
        torch.Size([5, 10, 8])
    """

    def __init__(self, features: int, heads: int):
        super().__init__()
        if features % heads:
            raise ValueError(f"Expected heads that divide {features} features, got {heads}.")
        self.heads = heads
        self.inputs, self.output = nn.Linear(features, 3 * features), nn.Linear(features, features)

    def all(self, x: Tensor) -> Tensor:
        """`[N length features] → [N length features]`."""
        return self._joined(F.scaled_dot_product_attention(*self._split(x), is_causal=True))

    def next(self, x: Tensor) -> Tensor:
        """`[N 1 features] → [N 1 features]`."""
        assert self.whole is not None
        query, key, value = self._split(x)
        memory = self.kept(x, 2, *key.shape[:2], *self.whole, key.shape[-1])
        memory[0, :, :, self.place], memory[1, :, :, self.place] = key[:, :, 0], value[:, :, 0]
        keys, values = memory[:, :, :, : self.place + 1]
        return self._joined(F.scaled_dot_product_attention(query, keys, values))

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each `[N heads length size]`."""
        parts = self.inputs(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts
        return query, key, value

    def _joined(self, x: Tensor) -> Tensor:
        return self.output(x.transpose(1, 2).flatten(2))
