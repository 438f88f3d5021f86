"""The kernel density of draws at data, which once measured GANs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dgmppl.evaluation.measure import Measure

__all__ = ["parzen"]


def parzen(data: Tensor, draws: Tensor, *, scale: float) -> Measure:
    """Mean log-density of data under Gaussians of one scale around draws, nats a datum.

    It is here to reproduce old tables. Do not rank models by it: in many dimensions it needs more
    draws than there can be, and prefers centres of clusters to the data themselves.

    Arguments:
        data: `[n, …]`.
        draws: `[m, …]`.
        scale: Of the Gaussians; chosen on data that are neither.

    References:
        A Note on the Evaluation of Generative Models, Lucas Theis, Aäron van den Oord, Matthias
        Bethge, 2015. https://arxiv.org/abs/1511.01844
    """
    x, y = (part.flatten(1).double() for part in (data, draws))
    squares = torch.cdist(x, y).square() / (2 * scale**2)
    constant = math.log(len(y)) + x.shape[1] * math.log(scale * math.sqrt(2 * math.pi))
    found = torch.logsumexp(-squares, 1) - constant
    error = float(found.std() / len(found) ** 0.5)
    caution = "misleads in many dimensions: prefers cluster centres to data"
    return Measure("Parzen log-density", float(found.mean()), error, caution)
