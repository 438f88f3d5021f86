"""Toy distributions in the plane, on which a density or a generator can be seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Generator, Tensor

__all__ = [
    "TOY_SETS",
    "grid",
    "grid_centres",
    "moons",
    "pinwheel",
    "ring",
    "ring_centres",
    "rings",
    "spirals",
    "squares",
]

Sampler: TypeAlias = Callable[[int, Generator], tuple[Tensor, Tensor]]

RING_SCALE = 0.01
GRID_SCALE = 0.05
SQUARES_SCALE = 0.5


def ring_centres() -> Tensor:
    """The eight centres of `ring`, on the unit circle `[8, 2]`; each Gaussian has scale 0.01."""
    return _polar(torch.ones(8), torch.arange(8) * (2 * math.pi / 8))


def grid_centres() -> Tensor:
    """The 25 centres of `grid`, two apart, from -4 to 4 `[25, 2]`; each Gaussian has scale 0.05."""
    ticks = torch.arange(-4.0, 5.0, 2.0)
    return torch.cartesian_prod(ticks, ticks)


def ring(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Eight Gaussians on a circle.

    Arguments:
        n: The number of points.
        generator: The source of all randomness.

    Returns:
        Points `[n, 2]` and the component of each `[n]`. All samplers here share this signature.

    References:
        PacGAN: The Power of Two Samples in Generative Adversarial Networks, Zinan Lin et al., 2018.
        https://arxiv.org/abs/1712.04086

    Example:
        >>> points, labels = ring(100, Generator().manual_seed(0))
        >>> bool((points.norm(dim=1) - 1).abs().max() < 0.1)
        True
    """
    return _mixture(n, generator, ring_centres(), RING_SCALE)


def grid(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """25 Gaussians on a square grid, as in the PacGAN paper."""
    return _mixture(n, generator, grid_centres(), GRID_SCALE)


def rings(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Four concentric circles of radii 0.75, 1.5, 2.25 and 3, blurred by 0.08."""
    label = torch.randint(4, (n,), generator=generator)
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    return _blur(_polar(0.75 * (label + 1), angle), 0.08, generator), label


def moons(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Two interleaved half circles of radius 2, blurred by 0.2."""
    label = torch.randint(2, (n,), generator=generator)
    angle = math.pi * torch.rand(n, generator=generator)
    sign = 1.0 - 2.0 * label
    arc = _polar(torch.full((n,), 2.0), angle) * sign[:, None]
    return _blur(arc - sign[:, None] * torch.tensor([1.0, 0.5]), 0.2, generator), label


def spirals(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Two spiral arms of one and a half turns, blurred by 0.1."""
    label = torch.randint(2, (n,), generator=generator)
    # The root spreads the points evenly along the arm, whose length grows with the angle's square.
    angle = 3 * math.pi * torch.rand(n, generator=generator).sqrt()
    return _blur(_polar(angle / 3, angle + math.pi * label), 0.1, generator), label


def pinwheel(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Five Gaussian blades, bent by a turn that grows with the radius.

    References:
        Composing Graphical Models with Neural Networks for Structured Representations and Fast
        Inference, Matthew Johnson et al., 2016. https://arxiv.org/abs/1603.06277
    """
    label = torch.randint(5, (n,), generator=generator)
    noise = torch.randn(n, 2, generator=generator)
    along, across = 1 + 0.3 * noise[:, 0], 0.1 * noise[:, 1]
    angle = 2 * math.pi / 5 * label + 0.25 * along.exp()
    outward, sideways = _polar(torch.ones(n), angle), _polar(torch.ones(n), angle + math.pi / 2)
    return 2 * (along[:, None] * outward + across[:, None] * sideways), label


def squares(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """The squares of two normal numbers, less 1, with noise of scale 0.5.

    The labels are the numbers' signs, which cannot be seen: a posterior with four modes.
    """
    roots = torch.randn(n, 2, generator=generator)
    noise = SQUARES_SCALE * torch.randn(n, 2, generator=generator)
    return roots.square() - 1.0 + noise, ((roots > 0) * torch.tensor([1, 2])).sum(1)


TOY_SETS: Mapping[str, Sampler] = {
    "rings": rings,
    "ring": ring,
    "grid": grid,
    "moons": moons,
    "spirals": spirals,
    "pinwheel": pinwheel,
    "squares": squares,
}


def _polar(radius: Tensor, angle: Tensor) -> Tensor:
    """Points `[n, 2]` in polar coordinates."""
    return radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)


def _blur(points: Tensor, scale: float, generator: Generator) -> Tensor:
    return points + scale * torch.randn(points.shape, generator=generator)


def _mixture(n: int, generator: Generator, centres: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Gaussians of one scale and equal weights."""
    label = torch.randint(len(centres), (n,), generator=generator)
    return _blur(centres[label], scale, generator), label
