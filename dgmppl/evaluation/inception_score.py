"""The inception score, by any classifier."""

from __future__ import annotations

import torch
from torch import Tensor

from dgmppl.evaluation.measure import Measure

__all__ = ["inception_score"]


def inception_score(probabilities: Tensor, *, splits: int = 10) -> Measure:
    """exp E[KL(p(y|x) ‖ p(y))]: 1 where draws tell no class, the number of classes at best.

    Arguments:
        probabilities: A classifier's, `[n, classes]`, of draws.
        splits: The score is the mean over parts of the draws, its error that of the mean.

    References:
        Improved Techniques for Training GANs, Tim Salimans et al., 2016.
        https://arxiv.org/abs/1606.03498

    Example:
        >>> inception_score(torch.eye(10).repeat(100, 1)).value
        10.0
    """
    if probabilities.dim() != 2 or len(probabilities) < splits:
        raise ValueError(
            f"Expected probabilities [n, classes] with n of at least {splits}, got "
            f"{tuple(probabilities.shape)}. Try more draws, or fewer splits."
        )
    scores = torch.stack([_score(part) for part in probabilities.double().chunk(splits)])
    error = float(scores.std() / len(scores) ** 0.5) if splits > 1 else float("nan")
    caution = "sees classes, not pictures: one good picture a class is enough for it"
    return Measure("inception score", round(float(scores.mean()), 12), error, caution)


def _score(p: Tensor) -> Tensor:
    even = p.mean(0)
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, even)).sum(1).mean().exp()
