"""WaveNet: a waveform one sample after the other, by dilated convolutions.

        x_1 ──▶ x_2 ──▶ x_3 ──▶ …        p(x) = Π_i p(x_i | x_{i−R}, …, x_{i−1})
          └───────────▶  ▲               y ──▶ x, or no y

A sample is one of 256 levels, finer where it is quiet (μ-law). Each layer sees twice as far back as
the one before; a draw keeps their last inputs in queues, so that a sample costs one product a
layer. All layers may be told a class, such as a speaker.

References:
    WaveNet: A Generative Model for Raw Audio, Aäron van den Oord et al., 2016.
    https://arxiv.org/abs/1609.03499 Fast Wavenet Generation Algorithm, Tom Le Paine et al., 2016.
    https://arxiv.org/abs/1611.09482
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pyro
import torch
from pyro.distributions import Categorical
from torch import Tensor

import dgmppl
from dgmppl.data import SomeLabels, load
from dgmppl.distributions import Autoregressive, MuLawCategorical
from dgmppl.networks import WaveStack, flatten_batch
from dgmppl.objectives import MaximumLikelihood
from dgmppl.recipes import Recipe

__all__ = ["ClassWaveNet", "WaveNet", "recipes"]


class WaveNet(dgmppl.Program):
    """Waveforms between −1 and 1.

    Arguments:
        length: Of a waveform; a learned program draws any other that is set.
        levels: How many levels a sample has.
        channels: Of the convolutions.
        layers: How many dilations, 1, 2, 4, …, a block has.
        blocks: How often they come.

    Example:
        >>> WaveNet(length=20, levels=16, channels=4, layers=3).model(n=2).shape
        torch.Size([2, 20])
    """

    def __init__(
        self,
        length: int = 256,
        levels: int = 256,
        channels: int = 32,
        layers: int = 6,
        blocks: int = 1,
    ):
        super().__init__()
        self.length = length
        self.net = flatten_batch(WaveStack(levels, channels, layers, blocks), event_dim=1)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x), x of shape `[B, length]`."""
        length = self.length if x is None else x.shape[-1]
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", Autoregressive(self.net, (length,), MuLawCategorical), obs=x)


class ClassWaveNet(dgmppl.Program):
    """Waveforms of a class.

    Arguments:
        length: Of a waveform.
        levels: How many levels a sample has.
        channels: Of the convolutions.
        layers: How many dilations.
        classes: How many.
    """

    def __init__(
        self,
        length: int = 256,
        levels: int = 256,
        channels: int = 32,
        layers: int = 6,
        classes: int = 3,
    ):
        super().__init__()
        self.length, self.classes = length, classes
        net = WaveStack(levels, channels, layers, 1, condition_features=classes)
        self.net = flatten_batch(net, event_dim=1)

    def model(self, x: Any = None, n: int = 1) -> dict[str, Tensor]:
        """p(y) p(x|y): x, of shape `[B, length]`, and its class y, `[B]`."""
        given = {"x": None, "y": None} if x is None else x
        known = None if given["y"] is None else given["y"].clamp(min=0)  # -1 where it is hidden
        with dgmppl.data_plate(given["x"], n):
            y = pyro.sample("y", Categorical(logits=torch.zeros(self.classes)), obs=known)
            one_hot = y[..., None] == torch.arange(self.classes, device=y.device)
            weight = self.net.net.first.weight
            net = partial(self.net, condition=one_hot.to(weight))
            wave = Autoregressive(net, (self.length,), MuLawCategorical)
            return {"x": pyro.sample("x", wave, obs=given["x"]), "y": y}


BASE = Recipe(
    program=partial(WaveNet, levels=32, channels=16),
    objective=MaximumLikelihood(),
    data=partial(load, name="harmonics", n=2000),
    epochs=20,
    batch_size=32,
)

recipes = {
    "wavenet": replace(BASE, about="dilated causal convolutions over a waveform"),
    "class-wavenet": replace(
        BASE,
        program=partial(ClassWaveNet, levels=32, channels=16),
        data=partial(BASE.data, labels=SomeLabels(None)),
        about="the same, told the timbre",
    ),
}
