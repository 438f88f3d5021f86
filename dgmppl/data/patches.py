"""Patches of natural photographs, whitened."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

__all__ = ["SIDE", "patches"]

#: Pixels along a patch.
SIDE = 12
#: Which columns of a photograph belong to a split, as parts of its width.
PARTS = {"train": (0.0, 0.7), "validation": (0.7, 0.8), "test": (0.8, 1.0)}
#: How many directions of most variance are kept; the others are grain.
KEPT = 50
#: The standard deviation of a patch's pixels, and that below which it counts as flat.
SPREAD, FLAT = 1.25, 0.09


def patches(split: str, n: int, generator: torch.Generator) -> Tensor:
    """Squares from scikit-learn's two photographs, a temple and a flower, at random places.

    Grey, the patch's own mean taken away; whitened in the 50 directions in which training patches
    vary most; at last of one contrast, but for flat patches. Splits are of different columns of the
    photographs.

    Arguments:
        split: "train", "validation" or "test".
        n: How many.
        generator: For the places.

    Returns:
        `[n, 144]`.
    """
    white = _places(split, n, generator) @ _whitening()
    spread = white.std(1, keepdim=True)
    return (SPREAD * white / (spread + FLAT)).float()


@lru_cache(maxsize=1)
def _photographs() -> tuple[Tensor, ...]:
    """Grey, `[height, width]`, of the logarithm's unit of contrast."""
    from sklearn.datasets import load_sample_images

    weights = np.array([0.299, 0.587, 0.114])
    grey = [torch.from_numpy(image @ weights) for image in load_sample_images().images]
    return tuple((picture + 1).log() for picture in grey)


def _places(split: str, n: int, generator: torch.Generator) -> Tensor:
    """Patches without their means, of double precision, half of them from each photograph."""
    found = []
    for i, photograph in enumerate(_photographs()):
        low, high = (int(part * photograph.shape[1]) for part in PARTS[split])
        squares = photograph[:, low:high].unfold(0, SIDE, 1).unfold(1, SIDE, 1)
        number = (n + i) // 2
        down, across = (
            torch.randint(size, (number,), generator=generator) for size in squares.shape[:2]
        )
        found.append(squares[down, across].flatten(1))
    both = torch.cat(found)[torch.randperm(n, generator=generator)]
    return both - both.mean(1, keepdim=True)


@lru_cache(maxsize=1)
def _whitening() -> Tensor:
    """A symmetric matrix of rank 50, `[144, 144]`, from 20,000 training patches."""
    known = _places("train", 20_000, torch.Generator().manual_seed(0))
    variances, directions = torch.linalg.eigh(known.T @ known / len(known))
    variances, directions = variances[-KEPT:], directions[:, -KEPT:]
    return directions @ torch.diag(variances.rsqrt()) @ directions.T
