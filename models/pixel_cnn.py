"""PixelCNN: a picture's pixels row by row, each from those above and to the left.

        x_1 ──▶ x_2 ──▶ x_3 ──▶ …        p(x) = Π_i p(x_i | x_1, …, x_{i−1})     y ──▶ x, or no y
          └───────────▶  ▲

Masked convolutions give all conditionals in one pass. One stack of them does not see some of the
pixels above and to the right; the gated network's two stacks see all. Its layers may be told a
class.

References:
    Pixel Recurrent Neural Networks, Aäron van den Oord, Nal Kalchbrenner, Koray Kavukcuoglu, 2016.
    https://arxiv.org/abs/1601.06759 Conditional Image Generation with PixelCNN Decoders, Aäron van
    den Oord et al., 2016. https://arxiv.org/abs/1606.05328
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
from dgmppl.data import DynamicBinarisation, SomeLabels, load
from dgmppl.distributions import Autoregressive
from dgmppl.networks import GatedPixels, MaskedPixels, flatten_batch
from dgmppl.objectives import MaximumLikelihood
from dgmppl.recipes import Recipe

__all__ = ["ClassPixelCNN", "GatedPixelCNN", "PixelCNN", "recipes"]


class PixelCNN(dgmppl.Program):
    """Binary pictures.

    Arguments:
        image_shape: `(1, height, width)`.
        net: Pixels `[N, 1, height, width]` → logits of the same shape, each from pixels before.

    Example:
        >>> PixelCNN((1, 8, 8), MaskedPixels(8, 2)).model(n=3).shape
        torch.Size([3, 1, 8, 8])
    """

    def __init__(self, image_shape: tuple[int, int, int] = (1, 28, 28), net: Any = None):
        super().__init__()
        self.image_shape = image_shape
        self.net = flatten_batch(MaskedPixels() if net is None else net)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x), x of shape `[B, 1, height, width]`."""
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", Autoregressive(self.net, self.image_shape), obs=x)


class GatedPixelCNN(PixelCNN):
    """The same without a blind spot.

    Arguments:
        image_shape: `(1, height, width)`.
        channels: Of either stack.
        layers: How many gated layers.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        channels: int = 32,
        layers: int = 7,
    ):
        super().__init__(image_shape, GatedPixels(channels, layers))


class ClassPixelCNN(dgmppl.Program):
    """Binary pictures of a class, which every layer is told.

    Arguments:
        image_shape: `(1, height, width)`.
        channels: Of either stack.
        layers: How many gated layers.
        classes: How many.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        channels: int = 32,
        layers: int = 7,
        classes: int = 10,
    ):
        super().__init__()
        self.image_shape, self.classes = image_shape, classes
        self.net = flatten_batch(GatedPixels(channels, layers, condition_features=classes))

    def model(self, x: Any = None, n: int = 1) -> dict[str, Tensor]:
        """p(y) p(x|y): x, of shape `[B, 1, height, width]`, and its class y, `[B]`."""
        given = {"x": None, "y": None} if x is None else x
        known = None if given["y"] is None else given["y"].clamp(min=0)  # -1 where it is hidden
        with dgmppl.data_plate(given["x"], n):
            y = pyro.sample("y", Categorical(logits=torch.zeros(self.classes)), obs=known)
            one_hot = y[..., None] == torch.arange(self.classes, device=y.device)
            net = partial(self.net, condition=one_hot.to(self.net.net.output[1].weight))
            x = pyro.sample("x", Autoregressive(net, self.image_shape), obs=given["x"])
            return {"x": x, "y": y}


BASE = Recipe(
    program=PixelCNN,
    objective=MaximumLikelihood(),
    data=partial(load, name="digits", flatten=False, pixels=DynamicBinarisation()),
    epochs=30,
    batch_size=64,
)

recipes = {
    "pixel-cnn": replace(BASE, about="masked convolutions over the pixels before"),
    "gated-pixel-cnn": replace(
        BASE, program=GatedPixelCNN, about="two stacks of gated convolutions, no blind spot"
    ),
    "class-pixel-cnn": replace(
        BASE,
        program=ClassPixelCNN,
        data=partial(BASE.data, labels=SomeLabels(None)),
        about="the same, told the class",
    ),
}
