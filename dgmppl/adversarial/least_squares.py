"""Critics that are regressed on labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dgmppl.adversarial.divergence import Divergence

__all__ = ["LeastSquares"]


@dataclass(frozen=True)
class LeastSquares(Divergence):
    """The critic is drawn to one number on data and to another on draws.

    Arguments:
        draws: The number on draws, a.
        data: The number on data, b.
        wanted: What draws want it to be, c.

    References:
        Least Squares Generative Adversarial Networks, Xudong Mao et al., 2016.
        https://arxiv.org/abs/1611.04076
    """

    draws: float = 0.0
    data: float = 1.0
    wanted: float = 1.0

    def on_data(self, value: Tensor) -> Tensor:
        """−½ (T − b)²."""
        return -0.5 * (value - self.data).square()

    def on_draws(self, value: Tensor) -> Tensor:
        """−½ (T − a)²."""
        return -0.5 * (value - self.draws).square()

    def draws_lose(self, value: Tensor) -> Tensor:
        """½ (T − c)²."""
        return 0.5 * (value - self.wanted).square()

    def data_lose(self, value: Tensor) -> Tensor:
        """½ (T − a)²: beside the data the labels change places."""
        return 0.5 * (value - self.draws).square()

    def estimate(self, gain: Tensor) -> Tensor:
        """½ ∫ (p − q)² / (p + q), 0 to 1, the distance of Vincze and Le Cam: from below."""
        return 1.0 + 4.0 * gain / (self.data - self.draws) ** 2

    def log_ratio(self, value: Tensor) -> Tensor:
        """The logit of where T lies between a and b."""
        return torch.logit((value - self.draws) / (self.data - self.draws), eps=1e-6)

    @property
    def formula(self) -> str:
        """LC."""
        return "LC"
