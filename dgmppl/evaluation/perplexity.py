"""How many words a model of documents hesitates between."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.energy import Counts
from dgmppl.evaluation.annealing import Annealing
from dgmppl.evaluation.evidence import evidence
from dgmppl.evaluation.measure import Measure

__all__ = ["perplexity", "unigram_perplexity"]

CAUTION = "a word, geometric mean over all words; tells of probability, not of topics"


def perplexity(
    program: nn.Module, counts: Tensor, *, annealing: Annealing | None = None
) -> Measure:
    """exp(−Σ log p(words) / number of words) of documents given by counts.

    log p(words) is that of the words in one order: of the counts, less the number of orders.

    Arguments:
        program: A program of counts, such as a replicated softmax.
        counts: Documents `[N, vocabulary]`.
        annealing: For log Z, once for each length; without it all hidden states are listed.

    Raises:
        NoDensityError: If log p is unavailable, with the cure.
    """
    found = evidence(program, counts, annealing=annealing)
    words = counts.double()
    orders = Counts(words.shape[1]).log_base(words)
    return _measure("perplexity", found.known.double() - orders, words.sum(1))


def unigram_perplexity(train: Tensor, counts: Tensor) -> Measure:
    """The same of words that are drawn one by one, as often as they stand in the training set.

    Arguments:
        train: Documents `[M, vocabulary]`.
        counts: Documents `[N, vocabulary]`.

    Example:
        >>> unigram_perplexity(torch.ones(1, 8), torch.ones(3, 8)).value
        8.0
    """
    shares: Any = (train.double().sum(0) + 1e-9 * train.sum()).log()
    log_p = (counts.double() * (shares - shares.logsumexp(0))).sum(1)
    return _measure("unigram perplexity", log_p, counts.sum(1).double())


def _measure(name: str, log_p: Tensor, lengths: Tensor) -> Measure:
    """With the standard error of a ratio of means over documents."""
    rate = float(log_p.sum() / lengths.sum())
    left = (log_p - rate * lengths).std() if len(log_p) > 1 else torch.tensor(math.nan)
    error = float(left) / math.sqrt(len(log_p)) / float(lengths.mean())
    value = math.exp(-rate)
    return Measure(name, round(value, 9), value * error, CAUTION)
