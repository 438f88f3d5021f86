"""Recurrent network of characters: a text one letter after the other.

        x_1 ──▶ x_2 ──▶ x_3 ──▶ …        p(x) = Π_i p(x_i | h_i)
          └─▶ h_2 ─┴─▶ h_3 ─┴─▶          h_i = LSTM(h_{i−1}, x_{i−1})

Learning shows the network the text itself (teacher forcing); a draw shows it its own letters.

References:
    Generating Sequences With Recurrent Neural Networks, Alex Graves, 2013.
    https://arxiv.org/abs/1308.0850 The Unreasonable Effectiveness of Recurrent Neural Networks,
    Andrej Karpathy, 2015. https://karpathy.github.io/2015/05/21/rnn-effectiveness/
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from pyro.distributions import Categorical
from torch import Tensor, nn

import dgmppl
from dgmppl.data import load
from dgmppl.distributions import Autoregressive
from dgmppl.networks import NextToken, Recurrent, flatten_batch
from dgmppl.objectives import MaximumLikelihood
from dgmppl.recipes import Recipe

__all__ = ["CharRNN", "recipes"]


class CharRNN(dgmppl.Program):
    """Texts of one length.

    Arguments:
        length: How many characters; a learned program draws any other that is set.
        categories: How many there are to choose from.
        hidden_features: Width of the network.
        layers: How many.

    Example:
        >>> CharRNN(length=9, categories=12).model(n=3).shape
        torch.Size([3, 9])
    """

    def __init__(
        self, length: int = 128, categories: int = 65, hidden_features: int = 256, layers: int = 1
    ):
        super().__init__()
        self.length = length
        lstm = nn.LSTM(hidden_features, hidden_features, layers, batch_first=True)
        net = NextToken(categories, hidden_features, Recurrent(lstm))
        self.net = flatten_batch(net, event_dim=1)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x), x of shape `[B, length]`, whole numbers."""
        length = self.length if x is None else x.shape[-1]
        text = Autoregressive(self.net, (length,), lambda logits: Categorical(logits=logits))
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", text, obs=x)


recipes = {
    "char-rnn": Recipe(
        program=partial(CharRNN, hidden_features=128),
        objective=MaximumLikelihood(),
        data=partial(load, name="sums"),
        optimizer=partial(torch.optim.Adam, lr=3e-3),
        clip_gradient=partial(nn.utils.clip_grad_norm_, max_norm=1.0),
        epochs=20,
        about="LSTM of characters",
    ),
}
