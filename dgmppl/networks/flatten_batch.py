"""Let a network that knows one batch dimension take any number of them."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["flatten_batch"]


class FlattenBatch(nn.Module):
    """Flattens all leading dimensions into one, calls a network, and restores them."""

    def __init__(self, net: nn.Module, event_dim: int):
        super().__init__()
        self.net, self.event_dim = net, event_dim

    def forward(self, x: Tensor) -> Tensor:
        """`[*batch, *event]` → `[*batch, *output]`."""
        split = x.dim() - self.event_dim
        if split < 0:
            raise ValueError(
                f"Expected at least {self.event_dim} dimensions, got shape {tuple(x.shape)}."
            )
        y = self.net(x.reshape(-1, *x.shape[split:]))
        return y.reshape(*x.shape[:split], *y.shape[1:])


def flatten_batch(net: nn.Module, event_dim: int = 3) -> FlattenBatch:
    """Makes a network of one batch dimension (a convolution, say) accept any leading dimensions.

    Arguments:
        net: Takes `[N, *event]`.
        event_dim: Number of dimensions of one input: 3 for images `[channels, height, width]`.

    Example:
        >>> import torch
        >>> flatten_batch(nn.Conv2d(1, 4, 3))(torch.zeros(5, 2, 1, 8, 8)).shape
        torch.Size([5, 2, 4, 6, 6])
    """
    return FlattenBatch(net, event_dim)
