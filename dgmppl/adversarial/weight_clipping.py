"""Weights in a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from dgmppl.adversarial.regularizer import Regularizer

__all__ = ["WeightClipping"]


@dataclass(frozen=True)
class WeightClipping(Regularizer):
    """Clips the critic's parameters after each of its steps.

    The slope is bounded, by what number is unknown, and critics so kept are too simple: it is the
    first WGAN, and `GradientPenalty` is better.

    Arguments:
        bound: No parameter is larger.

    References:
        Wasserstein GAN, Martin Arjovsky, Soumith Chintala, Léon Bottou, 2017.
        https://arxiv.org/abs/1701.07875
    """

    bound: float = 0.01

    def __post_init__(self) -> None:
        if not self.bound > 0:
            raise ValueError(f"Expected a bound above 0, got {self.bound}. Try 0.01.")

    def project(self, parameters: Sequence[nn.Parameter]) -> None:
        """Clips in place."""
        for parameter in parameters:
            parameter.clamp_(-self.bound, self.bound)
