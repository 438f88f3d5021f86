"""The hinge loss of large-margin classifiers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dgmppl.adversarial.divergence import Divergence

__all__ = ["Hinge"]


@dataclass(frozen=True)
class Hinge(Divergence):
    """The critic gains up to a margin of 1; draws raise it without end.

    References:
        Geometric GAN, Jae Hyun Lim and Jong Chul Ye, 2017. https://arxiv.org/abs/1705.02894
    """

    def on_data(self, value: Tensor) -> Tensor:
        """min(0, T − 1)."""
        return (value - 1.0).clamp(max=0.0)

    def on_draws(self, value: Tensor) -> Tensor:
        """min(0, −T − 1)."""
        return (-value - 1.0).clamp(max=0.0)

    def draws_lose(self, value: Tensor) -> Tensor:
        """−T."""
        return -value

    def data_lose(self, value: Tensor) -> Tensor:
        """T."""
        return value

    def estimate(self, gain: Tensor) -> Tensor:
        """The total variation ½ ∫ |p − q|, 0 to 1; a lower bound on it."""
        return 1.0 + 0.5 * gain

    @property
    def formula(self) -> str:
        """TV."""
        return "TV"
