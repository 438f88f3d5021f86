"""The earth mover's distance in its dual form."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dgmppl.adversarial.divergence import Divergence

__all__ = ["Wasserstein"]


@dataclass(frozen=True)
class Wasserstein(Divergence):
    """E_data[T] − E_draws[T], a distance where T rises by no more than 1 per unit of length.

    A regulariser must see to that slope: `WeightClipping`, `GradientPenalty` or `SpectralNorm`.

    References:
        Wasserstein GAN, Martin Arjovsky, Soumith Chintala, Léon Bottou, 2017.
        https://arxiv.org/abs/1701.07875
    """

    def on_data(self, value: Tensor) -> Tensor:
        """T."""
        return value

    def on_draws(self, value: Tensor) -> Tensor:
        """−T."""
        return -value

    @property
    def formula(self) -> str:
        """W₁."""
        return "W₁"
