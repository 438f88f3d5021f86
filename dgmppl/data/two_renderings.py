"""Two renderings of pictures: their outlines, and themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.nn.functional import max_pool2d

from dgmppl.data.named import load
from dgmppl.data.tensors import TensorData

__all__ = ["outlines", "renderings"]


def outlines(pictures: Tensor, image_shape: tuple[int, ...]) -> Tensor:
    """What a picture's dilation adds to it: bright around its strokes, dark inside and far away.

    Arguments:
        pictures: Rows of grey pixels in [0, 1], `[N, height·width]`.
        image_shape: One channel, height, width.

    Example:
        >>> import torch
        >>> dot = torch.zeros(1, 9)
        >>> dot[0, 4] = 1.0
        >>> outlines(dot, (1, 3, 3)).reshape(3, 3)
        tensor([[1., 1., 1.],
                [1., 0., 1.],
                [1., 1., 1.]])
    """
    grid = pictures.reshape(-1, *image_shape)
    return (max_pool2d(grid, 3, stride=1, padding=1) - grid).reshape(pictures.shape)


def renderings(
    split: str = "train", *, name: str = "digits", paired: bool = True, **settings: Any
) -> TensorData:
    """A mapping of two pictures a datum: "a" the outline of one, "b" the picture itself.

    Arguments:
        split: As of `load`.
        name: Likewise: a set of grey pictures.
        paired: If not, the outlines of the training set are those of its other half's pictures, so
            that no datum has its own.
        settings: Likewise.

    Example:
        >>> data = renderings()
        >>> data.record["shape"], len(data)
        ({'a': [64], 'b': [64]}, 1437)
        >>> data, shuffled = renderings(), renderings(paired=False)
        >>> bool((data.values["a"] == shuffled.values["a"]).all(1).any())
        False
    """
    data = load(name, split, **settings)
    pictures, shape = data.values, data.image_shape
    assert isinstance(pictures, Tensor) and shape is not None
    drawn = outlines(pictures, shape)
    if not paired and split == "train":
        drawn = drawn.roll(len(drawn) // 2, 0)
    record = {**data.record, "renderings": "paired" if paired else "unpaired"}
    return replace(data, values={"a": drawn, "b": pictures}, transform=None, record=record)
