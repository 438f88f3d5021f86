"""How steep a critic usually is in its parameters, so that steps ahead have a length."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["UsualSlope"]


class UsualSlope(nn.Module):
    """The running root mean square of all entries of gradients.

    Arguments:
        decay: Of the mean, a step.

    Example:
        >>> slope = UsualSlope()
        >>> slope.divide([torch.tensor([3.0, -3.0])])
        [tensor([ 1., -1.])]
    """

    square: Tensor
    weight: Tensor

    def __init__(self, decay: float = 0.99):
        super().__init__()
        self.decay = decay
        self.register_buffer("square", torch.zeros(()))
        self.register_buffer("weight", torch.zeros(()))

    def divide(self, slopes: Sequence[Tensor], *, moving: bool = True) -> list[Tensor]:
        """Gradients over their usual size.

        Arguments:
            slopes: One a parameter; derivatives pass through them, not through their size.
            moving: Whether they count for the mean.
        """
        if moving:
            with torch.no_grad():
                total = torch.stack([slope.square().sum() for slope in slopes]).sum()
                mean = total / sum(slope.numel() for slope in slopes)
                self.square.mul_(self.decay).add_((1 - self.decay) * mean)
                self.weight.mul_(self.decay).add_(1 - self.decay)
        size = (self.square / self.weight).sqrt()
        return [slope / size for slope in slopes]
