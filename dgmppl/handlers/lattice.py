"""Draw noise from a lattice, the same at every run and for every datum."""

from __future__ import annotations

import math
from typing import Any

import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor

from dgmppl.sites import base_distribution

__all__ = ["Lattice"]


class Lattice(Messenger):
    """Gives auxiliary sites the quantiles of a low-discrepancy sequence, one point a particle.

    Particles are the first dimension.

    What a program makes of its noise then is a function of the data alone, and its moments over
    particles are closer than those of random draws.

    References:
        The Unreasonable Effectiveness of Quasirandom Sequences, Martin Roberts, 2018.
        https://extremelearning.com.au/unreasonable-effectiveness-of-quasirandom-sequences/
    """

    def _pyro_post_sample(self, msg: Any) -> None:
        if not msg["infer"].get("is_auxiliary", False):
            return
        fn, value = msg["fn"], msg["value"]
        event = fn.event_shape
        places = lattice(len(value), event.numel(), value)
        places = places.reshape(len(value), *[1] * (value.dim() - 1 - len(event)), *event)
        msg["value"] = base_distribution(fn).icdf(places).expand(value.shape)


def lattice(number: int, size: int, like: Tensor) -> Tensor:
    """Points of the unit cube and their mirror images, `[number, size]`, none on its border.

    Example:
        >>> lattice(4, 1, torch.zeros(())).flatten()
        tensor([0.1180, 0.7361, 0.8820, 0.2639])
    """
    root = 2.0
    for _ in range(60):  # of t^(size + 1) = t + 1
        root = (1.0 + root) ** (1.0 / (size + 1))
    steps = torch.tensor([math.fmod(root**-j, 1.0) for j in range(1, size + 1)]).to(like)
    ranks = torch.arange(1, (number + 1) // 2 + 1, device=like.device).to(like)
    points = (0.5 + ranks[:, None] * steps).frac().clamp(1e-4, 1.0 - 1e-4)
    return torch.cat([points, 1.0 - points])[:number]
