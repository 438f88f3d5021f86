"""A network that tells a flow how to shift and scale coordinates, given others and features."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from dgmppl.guides.flow import gentle

__all__ = ["Conditioned", "Conditioner"]

STEEPEST = 3.0  # bounds ±log scale: its growth with the coordinates would be felt exponentially


@dataclass(frozen=True)
class Conditioned:
    """Coordinates → shift and log scale, by tensors that no later exchange of parameters reaches.

    A flow's network runs when a value is scored, which may be after a `functional_call` that put
    detached parameters in its place has ended; those are the ones to score with.

    Arguments:
        context: What the features add to the hidden units, `[*batch, H]`.
        inner: Weights from coordinates to hidden units, `[H, D]`.
        outer: Weights from hidden units to outputs, `[2 E, H]`.
        bias: Of the outputs, `[2 E]`.
    """

    context: Tensor
    inner: Tensor
    outer: Tensor
    bias: Tensor

    def __call__(self, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """`[*batch, D]` → shift and log scale, `[*batch, E]` each."""
        return self.read(self.context + F.linear(coordinates, self.inner))

    def read(self, hidden: Tensor, rows: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """What hidden units, `[*batch, H]` before their nonlinearity, say in some outputs."""
        outputs = F.linear(F.relu(hidden), self.outer[rows], self.bias[rows])
        shift, log_scale = outputs.chunk(2, -1)
        return shift, STEEPEST * (log_scale / STEEPEST).tanh()


class Conditioner(nn.Module):
    """Features → a network of coordinates with one hidden layer; the features' part runs once.

    Arguments:
        features: Number of features.
        inputs: Number of coordinates that the network sees, D.
        outputs: Number of coordinates that it shifts and scales, E.
        hidden_features: Number of hidden units, H.

    Example:
        >>> import torch
        >>> net = Conditioner(features=4, inputs=2, outputs=3, hidden_features=8)
        >>> shift, log_scale = net(torch.ones(5, 4))(torch.ones(7, 5, 2))
        >>> shift.shape
        torch.Size([7, 5, 3])
    """

    def __init__(self, features: int, inputs: int, outputs: int, hidden_features: int):
        super().__init__()
        self.context = nn.Linear(features, hidden_features)
        self.inner = nn.Linear(inputs, hidden_features, bias=False)
        self.outer = gentle(nn.Linear(hidden_features, 2 * outputs))

    def forward(self, features: Tensor) -> Conditioned:
        """`[*batch, features]` → a function of `[*batch, D]`."""
        return Conditioned(
            self.context(features), self.inner.weight, self.outer.weight, self.outer.bias
        )
