"""Replicated softmax: a Boltzmann machine of documents, whose hidden units are topics.

        v ◀─▶ h          −E(v, h) = b·v + N c·h + v·W h, N the number of words
                         v counts the words of a document, h are binary

Every word sees the same weights; documents of different lengths have an energy each.

References:
    Replicated Softmax: an Undirected Topic Model, Ruslan Salakhutdinov, Geoffrey Hinton, 2009.
    https://papers.nips.cc/paper/3856-replicated-softmax-an-undirected-topic-model
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pyro
import torch
from torch import Tensor, nn

import dgmppl
from dgmppl.data import load
from dgmppl.energy import Binary, Counts
from dgmppl.objectives import ContrastiveDivergence
from dgmppl.recipes import Recipe

__all__ = ["ReplicatedSoftmax", "recipes"]


class ReplicatedSoftmax(dgmppl.Program):
    """Counts of words, and topics.

    Arguments:
        data_dim: Size of the vocabulary.
        topics: Number of hidden units.
        longest: The most words that a document may have.
    """

    def __init__(self, data_dim: int = 2000, topics: int = 50, longest: int = 500):
        super().__init__()
        self.words, self.topics = Counts(data_dim, longest), Binary(topics)
        self.b, self.c = nn.Parameter(torch.zeros(data_dim)), nn.Parameter(torch.zeros(topics))
        self.W = nn.Parameter(0.01 * torch.randn(data_dim, topics))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """The energy of v and h; v, of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            v = dgmppl.units("v", self.words, obs=x)
            h = dgmppl.units("h", self.topics)
            length = v.sum(-1, keepdim=True)
            pyro.factor("energy", v @ self.b + ((v @ self.W + length * self.c) * h).sum(-1))
        return v


@torch.no_grad()
def unigrams(program: ReplicatedSoftmax, data: Any) -> None:
    """Sets b to how often each word stands in the data, so that topics need not learn it."""
    program.b.copy_(program.words.field_of(data.values)[0])


recipes = {
    "replicated-softmax": Recipe(
        program=partial(ReplicatedSoftmax, topics=10, longest=50),
        objective=ContrastiveDivergence(5),
        data=partial(load, name="bars", n=2_000),
        optimizer=partial(torch.optim.Adam, lr=0.005),
        start=unigrams,
        epochs=100,
        batch_size=50,
        about="topics of documents of 25 words, by CD-5",
    ),
}
