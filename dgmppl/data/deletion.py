"""Data with entries taken away, to learn and to be judged on."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from dgmppl.data.pixels import Grey, Pixels

__all__ = ["MissingCompletelyAtRandom"]


@dataclass(frozen=True)
class MissingCompletelyAtRandom:
    """A part of all pixels is missing (NaN), each independently of all else.

    Which pixels is drawn once, when the set is loaded, and then stays; what is left is treated by
    `pixels` as ever, afresh for each minibatch where that is its way. Learning the likelihood of
    what is observed, and nothing of why, is sound here and also where a pixel's absence depends on
    observed values alone (missing at random); not where it depends on the missing value itself.

    Arguments:
        pixels: The treatment of what is left.
        rate: The probability that a pixel is missing.
        seed: Of the draw's own generator.

    References:
        Inference and Missing Data, Donald Rubin, 1976. https://doi.org/10.1093/biomet/63.3.581

    Example:
        >>> half = MissingCompletelyAtRandom(rate=0.5)
        >>> half(half.prepare(torch.ones(2, 3)))
        tensor([[nan, 1., nan],
                [nan, nan, 1.]])
    """

    pixels: Pixels = field(default_factory=Grey)
    rate: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"Expected a rate from 0 to below 1, got {self.rate}. Try 0.5.")

    @property
    def label(self) -> str:
        """The treatment in words."""
        where = f"{self.rate:.0%} missing completely at random (seed {self.seed})"
        return f"{self.pixels.label}, {where}"

    @property
    def levels(self) -> int | None:
        """The grey levels that the treatment of what is left spreads, if it does."""
        return getattr(self.pixels, "levels", None)

    def prepare(self, images: Tensor) -> Tensor:
        """Treats the whole set, then puts NaN in place of what is missing."""
        treated = self.pixels.prepare(images)
        generator = torch.Generator().manual_seed(self.seed)
        missing = torch.rand(images.shape, generator=generator) < self.rate
        return treated.masked_fill(missing, torch.nan)

    def __call__(self, batch: Tensor) -> Tensor:
        """Treats what is left; what is missing stays so."""
        missing = batch.isnan()
        return self.pixels(batch.masked_fill(missing, 0.0)).masked_fill(missing, torch.nan)
