"""Bounds that are the logarithm of a power mean of the weights."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from dgmppl.objectives.bound import Bound

__all__ = ["PowerMean"]


@dataclass(frozen=True)
class PowerMean(Bound):
    """E_q[1/n log 1/K Σ_k w_k^n], w = p(x, z) / q(z|x)."""

    @property
    @abstractmethod
    def power(self) -> float:
        """The power n."""

    def reduce(self, log_w: Tensor) -> Tensor:
        """The log of the power mean of the weights."""
        return (torch.logsumexp(self.power * log_w, 0) - math.log(len(log_w))) / self.power

    def shares(self, log_w: Tensor) -> Tensor:
        """The normalised powers of the weights."""
        return torch.softmax(self.power * log_w, 0)

    def path_factor(self, share: Tensor) -> Tensor:
        """1 − n + n w̃: w̃ for IWAE, 1 in the limit n → 0 of the ELBO."""
        return 1.0 - self.power + self.power * share
