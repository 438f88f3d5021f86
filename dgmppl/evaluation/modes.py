"""How many of the known modes of a distribution a model draws from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = ["Modes", "class_coverage", "mode_coverage"]


@dataclass(frozen=True)
class Modes:
    """Which of the modes of a distribution draws belong to.

    Arguments:
        found: Modes that some good draw belongs to.
        number: Modes that there are.
        divergence: KL(draws' modes ‖ even), in nats, of the good draws: 0 where all modes are drawn
            alike, log of the number where there is one. It is biased upwards, by about
            (found − 1) / 2n nats of n good draws.
        good: The share of draws that lie near some mode, or `None` where that isn't asked.
        standard_error: Of that share.
    """

    found: int
    number: int
    divergence: float
    good: float | None = None
    standard_error: float | None = None

    def __str__(self) -> str:
        near = ""
        if self.good is not None:
            near = f"{self.good:.1%} ± {self.standard_error:.1%} of draws near one, "
        use = f"KL to an even use of them {self.divergence:.3f} nats"
        return f"{self.found} of {self.number} modes, {near}{use}"


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
    good = float(is_good.double().mean())
    error = math.sqrt(good * (1 - good) / max(len(draws), 1))
    return replace(class_coverage(nearest[is_good], len(centres)), good=good, standard_error=error)


def class_coverage(classes: Tensor, number: int) -> Modes:
    """Counts the classes of draws, such as the 1,000 of stacked MNIST.

    It sees what a classifier says of draws, not whether they are good: noise has a class too.

    Arguments:
        classes: Of each draw, 0 to number − 1 `[n]`; the published figures take n = 26,000.
        number: Classes that there are.

    Raises:
        ValueError: If a class is beyond them.

    References:
        Unrolled Generative Adversarial Networks, Luke Metz et al., 2016.
        https://arxiv.org/abs/1611.02163

    Example:
        >>> print(class_coverage(torch.tensor([0, 0, 1, 1]), number=4))
        2 of 4 modes, KL to an even use of them 0.693 nats
    """
    if classes.numel() and not 0 <= int(classes.min()) <= int(classes.max()) < number:
        raise ValueError(
            f"Expected classes from 0 to {number - 1}, got {int(classes.min())} to "
            f"{int(classes.max())}. Try number={int(classes.max()) + 1}."
        )
    counts = torch.bincount(classes, minlength=number).double()
    share = counts / counts.sum().clamp(min=1)
    divergence = float(torch.special.xlogy(share, share * number).sum())
    return Modes(int((counts > 0).sum()), number, divergence)
