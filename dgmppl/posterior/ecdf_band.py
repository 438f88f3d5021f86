"""Where the distribution function of uniform ranks lies, at all places together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.distributions import Binomial

__all__ = ["Band", "ecdf_band"]

MOST_PLACES = 100
TRIALS = 2000


@dataclass(frozen=True)
class Band:
    """Bounds on the share of ranks below some places.

    Arguments:
        places: Shares of the ranks 0, …, L, `[P]`: the distribution function that is expected.
        ranks: The ranks themselves: a place is the chance of a lower rank than this.
        lower: Least share of N ranks below each place.
        upper: Greatest share.
    """

    places: np.ndarray
    ranks: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def ecdf_band(num_simulations: int, num_samples: int, coverage: float = 0.95) -> Band:
    """The band that the whole empirical distribution function of uniform ranks stays in.

    Pointwise binomial intervals are widened until so many of simulated sets of uniform ranks stay
    inside everywhere (algorithm 1 of the reference); the simulation has a seed of its own.

    Arguments:
        num_simulations: N, how many ranks.
        num_samples: L: ranks are 0, …, L.
        coverage: The share of sets of uniform ranks that stay inside.

    References:
        Graphical Test for Discrete Uniformity and its Applications in Goodness of Fit Evaluation
        and Multiple Sample Comparison, Teemu Säilynoja et al., 2022.
        https://arxiv.org/abs/2103.10522

    Example:
        >>> band = ecdf_band(100, 9)
        >>> band.places
        array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
        >>> bool((band.lower < band.places).all() and (band.places < band.upper).all())
        True
    """
    levels = num_samples + 1
    ranks = np.unique(
        np.linspace(1, num_samples, min(MOST_PLACES, num_samples)).round().astype(int)
    )
    places = ranks / levels
    counts = torch.arange(num_simulations + 1).double()
    binomial = Binomial(num_simulations, torch.from_numpy(places)[:, None])
    below = binomial.log_prob(counts).exp().cumsum(-1).clamp(max=1.0).numpy()  # P(count ≤ c)
    sizes = np.diff(ranks, prepend=0, append=levels) / levels
    trials = np.random.default_rng(0).multinomial(num_simulations, sizes, TRIALS)
    drawn = trials.cumsum(1)[:, :-1]  # how many ranks lie below each place
    row = np.arange(len(places))
    at_most, at_least = below[row, drawn], 1 - np.where(drawn > 0, below[row, drawn - 1], 0.0)
    level = np.quantile(2 * np.minimum(at_most, at_least).min(1), 1 - coverage)
    lower = (below < level / 2).sum(1)
    upper = (below < 1 - level / 2).sum(1)
    return Band(places, ranks, lower / num_simulations, upper / num_simulations)
