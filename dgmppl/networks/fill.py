"""Something for a network to see in place of missing entries."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Fill", "FillBesideMask"]


class Fill(nn.Module):
    """Puts a value where entries are missing.

    Arguments:
        value: One number, or a tensor that broadcasts to a batch, such as the entries' means.

    Example:
        >>> Fill(torch.tensor([7.0, 8.0]))(torch.zeros(2), torch.tensor([True, False]))
        tensor([0., 8.])
    """

    value: Tensor

    def __init__(self, value: float | Tensor = 0.0):
        super().__init__()
        self.register_buffer("value", torch.as_tensor(value))

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """Entries `[B, …]` and where they are observed (boolean, same shape) → entries filled."""
        return torch.where(seen, x, self.value.to(x.dtype))


class FillBesideMask(Fill):
    """The same, and beside the entries the mask: 1 where they are observed, 0 elsewhere.

    So a network can tell a missing entry from one that has the value.

    Arguments:
        value: As for `Fill`.
        dim: Along which dimension the two are joined: the last, or 1 for the channels of images.

    Example:
        >>> FillBesideMask()(torch.tensor([[5.0, torch.nan]]), torch.tensor([[True, False]]))
        tensor([[5., 0., 1., 0.]])
    """

    def __init__(self, value: float | Tensor = 0.0, dim: int = -1):
        super().__init__(value)
        self.dim = dim

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """Entries `[B, D]` and where they are observed → `[B, 2·D]`."""
        return torch.cat([super().forward(x, seen), seen.to(x.dtype)], self.dim)
