"""How many of the known modes of a distribution a model draws from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Modes", "mode_coverage"]


@dataclass(frozen=True)
class Modes:
    """What draws from a mixture of separate Gaussians look like.

    Arguments:
        found: Modes that some good draw belongs to.
        number: Modes that there are.
        good: The share of draws that lie near some mode.
        standard_error: Of that share.
        divergence: KL(draws' modes ‖ even), in nats, of the good draws: 0 where all modes are drawn
            alike, log of the number where there is one.
    """

    found: int
    number: int
    good: float
    standard_error: float
    divergence: float

    def __str__(self) -> str:
        return (
            f"{self.found} of {self.number} modes, {self.good:.1%} ± {self.standard_error:.1%} of "
            f"draws near one, KL to an even use of them {self.divergence:.3f} nats"
        )


def mode_coverage(draws: Tensor, centres: Tensor, scale: float, *, within: float = 3.0) -> Modes:
    """Counts modes, as PacGAN and VEEGAN do.

    It sees whether draws are near the centres, not how they lie around them: a generator that draws
    the centres alone is perfect to it.

    Arguments:
        draws: `[n, d]`; the published figures take n = 2,500.
        centres: `[modes, d]`.
        scale: Standard deviation of each mode.
        within: How many scales from its nearest centre a good draw may be.

    References:
        PacGAN: The Power of Two Samples in Generative Adversarial Networks, Zinan Lin et al., 2017.
        https://arxiv.org/abs/1712.04086

    Example:
        >>> centres = torch.tensor([[0.0, 0.0], [5.0, 0.0]])
        >>> print(mode_coverage(torch.tensor([[0.1, 0.0], [2.5, 0.0]]), centres, scale=0.1))
        1 of 2 modes, 50.0% ± 35.4% of draws near one, KL to an even use of them 0.693 nats
    """
    distance, nearest = torch.cdist(draws, centres.to(draws)).min(1)
    is_good = distance < within * scale
    counts = torch.bincount(nearest[is_good], minlength=len(centres)).double()
    share = counts / counts.sum().clamp(min=1)
    divergence = float(torch.special.xlogy(share, share * len(centres)).sum())
    good = float(is_good.double().mean())
    error = math.sqrt(good * (1 - good) / max(len(draws), 1))
    return Modes(int((counts > 0).sum()), len(centres), good, error, divergence)
