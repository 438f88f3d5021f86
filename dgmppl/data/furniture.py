"""Clouds of points on the surfaces of simple furniture, each datum a set of points."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

__all__ = ["FURNITURE", "furniture"]

#: What the labels 0, 1, 2, 3 stand for.
FURNITURE = ("table", "chair", "lamp", "plane")

POINTS = 128


def furniture(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Tables, chairs, lamps and planes of random proportions, as points on their surfaces.

    Each is made of boxes; its 128 points are even over their surfaces, in no order, and centred
    between the ends. The z axis points up.

    Arguments:
        n: How many clouds.
        generator: The source of all randomness.

    Returns:
        Clouds `[n, 128, 3]`, from -1 to 1, and the class of each `[n]`, all four as often.

    Example:
        >>> clouds, labels = furniture(8, Generator().manual_seed(0))
        >>> clouds.shape, labels[:5]
        (torch.Size([8, 128, 3]), tensor([0, 1, 2, 3, 0]))
    """
    labels = torch.arange(n) % len(FURNITURE)
    sizes = torch.rand(n, 4, generator=generator)
    clouds = torch.zeros(n, POINTS, 3)
    for label, boxes in enumerate((_table, _chair, _lamp, _plane)):
        own = labels == label
        if own.any():
            clouds[own] = _on_boxes(*boxes(sizes[own]), POINTS, generator)
    middle = (clouds.amax(1, keepdim=True) + clouds.amin(1, keepdim=True)) / 2
    return clouds - middle, labels


def _between(low: float, high: float, share: Tensor) -> Tensor:
    return low + (high - low) * share


def _boxes(*boxes: tuple[Tensor | float, ...]) -> tuple[Tensor, Tensor]:
    """Centres and sizes `[n, boxes, 3]` of boxes given as (x, y, z, width, depth, height)."""
    n = max(len(value) for box in boxes for value in box if isinstance(value, Tensor))
    rows = [torch.stack([torch.as_tensor(v).expand(n) for v in box], -1) for box in boxes]
    return torch.stack(rows, 1).split(3, -1)


def _legs(width: Tensor, depth: Tensor, height: Tensor) -> list[tuple[Tensor | float, ...]]:
    """Four, from the ground to a height, at the corners of a seat or a top."""
    x, y = width / 2 - 0.05, depth / 2 - 0.05
    return [(i * x, j * y, height / 2, 0.1, 0.1, height) for i in (-1, 1) for j in (-1, 1)]


def _table(u: Tensor) -> tuple[Tensor, Tensor]:
    width, depth = _between(0.9, 1.6, u[:, 0]), _between(0.6, 1.2, u[:, 1])
    height = _between(0.4, 1.0, u[:, 2])
    return _boxes((0.0, 0.0, height, width, depth, 0.1), *_legs(width, depth, height))


def _chair(u: Tensor) -> tuple[Tensor, Tensor]:
    width, depth = _between(0.5, 0.9, u[:, 0]), _between(0.5, 0.9, u[:, 1])
    height, back = _between(0.4, 0.7, u[:, 2]), _between(0.5, 1.0, u[:, 3])
    return _boxes(
        (0.0, 0.0, height, width, depth, 0.1),
        (0.0, 0.05 - depth / 2, height + back / 2, width, 0.1, back),
        *_legs(width, depth, height),
    )


def _lamp(u: Tensor) -> tuple[Tensor, Tensor]:
    foot, shade = _between(0.3, 0.7, u[:, 0]), _between(0.4, 0.9, u[:, 1])
    height, tall = _between(0.8, 1.4, u[:, 2]), _between(0.3, 0.6, u[:, 3])
    return _boxes(
        (0.0, 0.0, 0.05, foot, foot, 0.1),
        (0.0, 0.0, height / 2, 0.08, 0.08, height),
        (0.0, 0.0, height + tall / 2, shade, shade, tall),
    )


def _plane(u: Tensor) -> tuple[Tensor, Tensor]:
    span, length = _between(1.0, 1.8, u[:, 0]), _between(1.2, 1.8, u[:, 1])
    body, tail = _between(0.12, 0.25, u[:, 2]), _between(0.3, 0.6, u[:, 3])
    return _boxes(
        (0.0, 0.0, 0.0, body, length, body),
        (0.0, 0.1, 0.0, span, 0.3, 0.05),
        (0.0, 0.1 - length / 2, 0.0, tail, 0.2, 0.05),
        (0.0, 0.1 - length / 2, tail / 4, 0.05, 0.2, tail / 2),
    )


def _on_boxes(centres: Tensor, sizes: Tensor, points: int, generator: Generator) -> Tensor:
    """Points even over the surfaces of boxes, `[n, points, 3]`."""
    n = len(sizes)
    faces = sizes.prod(-1, keepdim=True) / sizes  # the areas of the faces across each axis
    chosen = faces.flatten(1).multinomial(points, replacement=True, generator=generator)
    box, axis = chosen // 3, chosen % 3
    where = torch.rand(n, points, 3, generator=generator) - 0.5
    side = torch.randint(2, (n, points, 1), generator=generator) - 0.5
    where = where.scatter(2, axis[..., None], side)
    index = box[..., None].expand(-1, -1, 3)
    return centres.gather(1, index) + sizes.gather(1, index) * where
