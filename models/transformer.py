"""Transformer: each element of a sequence from all before it, by attention.

        x_1 ──▶ x_2 ──▶ x_3 ──▶ …        p(x) = Π_i p(x_i | x_1, …, x_{i−1})
          └───────────▶  ▲

For text, and for pictures whose pixels are taken row by row, several at a time: a token of k binary
pixels has 2^k values.

References:
    Attention Is All You Need, Ashish Vaswani et al., 2017. https://arxiv.org/abs/1706.03762
    Language Models are Unsupervised Multitask Learners, Alec Radford et al., 2019. Generative
    Pretraining From Pixels, Mark Chen et al., 2020.
    https://proceedings.mlr.press/v119/chen20s.html
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pyro
import torch
from pyro.distributions import Categorical
from torch import Tensor, nn

import dgmppl
from dgmppl.data import load
from dgmppl.distributions import Autoregressive, Coded
from dgmppl.networks import CausalAttention, NextToken, Places, flatten_batch
from dgmppl.objectives import MaximumLikelihood
from dgmppl.recipes import DIGITS, Recipe

__all__ = ["PixelTransformer", "Transformer", "recipes"]


class Block(nn.Module):
    """Attention and a network of each position, both normalised before and added."""

    def __init__(self, features: int, heads: int, dropout: float):
        super().__init__()
        self.attend = nn.Sequential(nn.LayerNorm(features), CausalAttention(features, heads))
        self.think = nn.Sequential(
            nn.LayerNorm(features),
            nn.Linear(features, 4 * features),
            nn.GELU(),
            nn.Linear(4 * features, features),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """`[N length features]` → the same."""
        x = x + self.dropout(self.attend(x))
        return x + self.dropout(self.think(x))


def blocks(length: int, features: int, layers: int, heads: int, dropout: float = 0.0) -> nn.Module:
    """Vectors, marked with their places, through blocks, `[N length features]` → the same."""
    own = [Block(features, heads, dropout) for _ in range(layers)]
    return nn.Sequential(Places(length, features), *own, nn.LayerNorm(features))


class Transformer(dgmppl.Program):
    """Sequences of categories.

    Arguments:
        length: Most elements.
        categories: How many values one has.
        features: Width.
        layers: How many blocks.
        heads: Of attention, which divide the width.
        dropout: Share of what a block adds that is left out while learning.

    Example:
        >>> Transformer(length=9, categories=12, features=16).model(n=3).shape
        torch.Size([3, 9])
    """

    def __init__(
        self,
        length: int = 256,
        categories: int = 65,
        features: int = 128,
        layers: int = 4,
        heads: int = 4,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.length = length
        body = blocks(length, features, layers, heads, dropout)
        self.net = flatten_batch(NextToken(categories, features, body), event_dim=1)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x), x of shape `[B, length]`, whole numbers."""
        length = self.length if x is None else x.shape[-1]
        text = Autoregressive(self.net, (length,), lambda logits: Categorical(logits=logits))
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", text, obs=x)


class PixelTransformer(dgmppl.Program):
    """Binary pictures, `bits` pixels in a row at a time.

    Arguments:
        data_dim: Number of pixels.
        bits: How many of them make a token.
        features: Width.
        layers: How many blocks.
        heads: Of attention.
    """

    def __init__(
        self,
        data_dim: int = 784,
        bits: int = 4,
        features: int = 128,
        layers: int = 4,
        heads: int = 4,
    ):
        super().__init__()
        self.data_dim, self.bits = data_dim, bits
        body = blocks(data_dim // bits, features, layers, heads)
        self.net = flatten_batch(NextToken(2**bits, features, body, bits=bits), event_dim=1)
        numbers = torch.arange(2**bits)[:, None] >> torch.arange(bits)
        self.register_buffer("codes", (numbers & 1).float(), persistent=False)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x), x of shape `[B, data_dim]`."""
        token = lambda logits: Coded(Categorical(logits=logits), self.codes)  # noqa: E731
        pixels = Autoregressive(self.net, (self.data_dim,), token, size=self.bits)
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", pixels, obs=x)


BASE = Recipe(program=Transformer, objective=MaximumLikelihood(), data=partial(load, name="sums"))

recipes = {
    "transformer": replace(
        BASE, program=partial(Transformer, features=64, layers=2), about="transformer of characters"
    ),
    "pixel-transformer": replace(
        BASE,
        program=partial(PixelTransformer, features=64, layers=2),
        data=DIGITS,
        epochs=50,
        about="transformer of pixels, four at a time",
    ),
}
