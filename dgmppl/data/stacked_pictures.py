"""Pictures of three channels, each a picture of its own: as many classes as there are triples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor

from dgmppl.data.named import load
from dgmppl.data.tensors import TensorData

__all__ = ["stacked"]


def stacked(
    split: str = "train", *, name: str = "mnist", n: int = 128_000, seed: int = 0, **settings: Any
) -> TensorData:
    """Draws three grey pictures a datum and stacks them as red, green and blue.

    With ten digits there are 1,000 classes, nearly even: stacked MNIST, by which the modes are
    counted that a generator draws.

    Arguments:
        split: As of `load`.
        name: Likewise: a set of grey pictures with labels.
        n: How many triples to draw. One of MNIST takes 9 kB.
        seed: Of the drawing.
        settings: As of `load`.

    Returns:
        Pictures `[n, 3, height, width]`, and labels 0 to classes³ − 1, the first channel's the most
        significant.

    References:
        Unrolled Generative Adversarial Networks, Luke Metz et al., 2016.
        https://arxiv.org/abs/1611.02163

    Example:
        >>> data = stacked(name="digits", n=100)
        >>> data.values.shape, data.image_shape
        (torch.Size([100, 3, 8, 8]), (3, 8, 8))
    """
    data = load(name, split, **settings)
    pictures, labels, shape = data.values, data.labels, data.image_shape
    if not isinstance(pictures, Tensor) or labels is None or shape is None or shape[0] != 1:
        raise ValueError(f"Expected grey pictures with labels, got '{name}'. Try name='mnist'.")
    chosen = torch.randint(len(data), (n, 3), generator=Generator().manual_seed(seed))
    stack = pictures.reshape(-1, *shape[1:])[chosen]
    classes = int(labels.max()) + 1
    triples = labels[chosen] @ torch.tensor([classes**2, classes, 1])
    return replace(
        data,
        values=stack,
        labels=triples,
        image_shape=(3, *shape[1:]),
        record={**data.record, "name": f"stacked {name}", "stacking_seed": seed},
    )
