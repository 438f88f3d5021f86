"""Networks of sequences of categories: the next one from those before."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dgmppl.networks.remembers import remembering

__all__ = ["NextToken"]


class NextToken(nn.Module):
    """Logits of every position's category from the categories before it.

    Arguments:
        categories: K.
        features: Size of a category's vector.
        body: Vectors `[N, length, features]` → `[N, length, out]`, each from those up to its own:
            `Recurrent`, `CausalAttention` or a sequence of such. A `Remembers` keeps what it saw.
        out_features: `out`, where it differs.
        bits: How many binary elements make a token together, of 2^bits categories; 0 where elements
            are categories.

    Example:
        >>> from dgmppl.networks import Recurrent
        >>> net = NextToken(5, 8, Recurrent(nn.GRU(8, 8, batch_first=True)))
        >>> net(torch.zeros(2, 7)).shape
        torch.Size([2, 7, 5])
    """

    def __init__(
        self,
        categories: int,
        features: int,
        body: nn.Module,
        out_features: int | None = None,
        bits: int = 0,
    ):
        super().__init__()
        self.categories, self.bits = categories, bits
        self.embedding = nn.Embedding(categories + 1, features)  # one more for the start
        self.body = body
        self.logits = nn.Linear(out_features or features, categories)

    def forward(self, x: Tensor) -> Tensor:
        """`[N length] → [N length categories]`, or `[N length / bits categories]`."""
        tokens = self._tokens(x)
        return self._after(F.pad(tokens[:, :-1], (1, 0), value=self.categories))

    def walk(self, x: Tensor) -> Iterator[Tensor]:
        """Each position's logits in turn, `[N categories]`."""
        size = max(self.bits, 1)
        token = torch.full_like(x[:, :1], self.categories, dtype=torch.long)
        with remembering(self, (x.shape[1] // size,)):
            for place in range(0, x.shape[1], size):
                yield self._after(token)[:, 0]
                token = self._tokens(x[:, place : place + size])

    def _tokens(self, x: Tensor) -> Tensor:
        if not self.bits:
            return x.long()
        values = 2 ** torch.arange(self.bits, device=x.device)
        return (x.long().unflatten(-1, (-1, self.bits)) * values).sum(-1)

    def _after(self, tokens: Tensor) -> Tensor:
        value: Tensor = self.logits(self.body(self.embedding(tokens)))
        return value
