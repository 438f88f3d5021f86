"""Whether ranks are uniform, and if not, how they depart from that."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["MEANINGS", "rank_tests"]

#: What each kind of departure says of the draws.
MEANINGS = {
    "low": "shifted: its draws lie too low",
    "high": "shifted: its draws lie too high",
    "narrow": "over-confident: its draws are too narrow (∪)",
    "wide": "under-confident: its draws are too wide (∩)",
    "misshapen": "of another shape than the posterior",
}
MOST_BINS = 20
FEWEST_IN_BIN = 5
NOTABLE = 1e-3  # p-value below which a shift or a width is what to speak of


def rank_tests(ranks: Tensor, num_samples: int) -> tuple[str, float]:
    """Three tests of uniformity: of the mean, of the spread about ½, and χ² of a histogram.

    The first two are powerful against what guides get wrong, a shift and a wrong width; the third
    sees all else.

    Arguments:
        ranks: Of N true values among L draws each, whole numbers 0, …, L, `[N]`.
        num_samples: L.

    Returns:
        The departure (a key of `MEANINGS`): a shift or a wrong width where there is evidence of
        one, and how likely the least of three p-values is to be that small under uniformity, at
        most (Bonferroni).

    Example:
        >>> kind, p = rank_tests(torch.tensor([0, 9] * 50), num_samples=9)
        >>> kind, p < 1e-9
        ('narrow', True)
    """
    number, levels = len(ranks), num_samples + 1
    place = (ranks.double() + 0.5) / levels - 0.5
    second = (levels**2 - 1) / (12 * levels**2)  # moments of `levels` equally likely places
    fourth = (levels**2 - 1) * (3 * levels**2 - 7) / (240 * levels**4)
    shift = float(place.mean()) / math.sqrt(second / number)
    width = (float(place.square().mean()) - second) / math.sqrt((fourth - second**2) / number)
    named = {
        "low" if shift > 0 else "high": _two_sided(shift),
        "narrow" if width > 0 else "wide": _two_sided(width),
    }
    other = _chi_square(ranks, levels)
    kind = min(named, key=lambda name: named[name])
    least = min(other, named[kind])
    return kind if named[kind] < max(other, NOTABLE) else "misshapen", min(1.0, 3 * least)


def _two_sided(deviation: float) -> float:
    """How likely a standard normal number is to be as far from 0."""
    return math.erfc(abs(deviation) / math.sqrt(2))


def _chi_square(ranks: Tensor, levels: int) -> float:
    """The p-value of Pearson's test on bins of ranks as equal as may be."""
    bins = max(2, min(MOST_BINS, levels, len(ranks) // FEWEST_IN_BIN))
    size = torch.bincount(torch.arange(levels) * bins // levels, minlength=bins)
    expected = size.double() * len(ranks) / levels
    counts = torch.bincount(ranks * bins // levels, minlength=bins).double()
    statistic = ((counts - expected).square() / expected).sum()
    return float(torch.special.gammaincc(torch.tensor((bins - 1) / 2).double(), statistic / 2))
