"""The variational Rényi bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dgmppl.objectives.bound import Bound

__all__ = ["Renyi"]


@dataclass(frozen=True)
class Renyi(Bound):
    """E_q[1/(1−α) log 1/K Σ_k (p(x, z_k) / q(z_k|x))^(1−α)].

    α = 0 is IWAE, α → 1 the ELBO; between them the bound moves from covering mass to seeking modes.
    For α ≥ 0 it is below log p(x) in expectation. For α < 0 its limit K → ∞ is above log p(x), but
    for finite K it is neither.

    Arguments:
        alpha: The order α, below 1 or above it; 1 itself is the ELBO's.
        num_particles: K, draws a datum.
        gradient: The estimator; `None` chooses.
        temper: Powers on sites.

    References:
        Rényi Divergence Variational Inference, Yingzhen Li and Richard Turner, 2016.
        https://arxiv.org/abs/1602.02311

    Example:
        >>> print(Renyi(alpha=0.5, num_particles=5))
        E_q[1/(1−0.5) log 1/5 Σ_k (p(x,z_k)/q(z_k|x))^(1−0.5)]
    """

    num_particles: int = 5
    alpha: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alpha == 1.0:
            raise ValueError(
                "Expected alpha other than 1, where the bound is the ELBO. Try ELBO()."
            )

    def reduce(self, log_w: Tensor) -> Tensor:
        """The log of the power mean of the weights."""
        power = 1.0 - self.alpha
        return (torch.logsumexp(power * log_w, 0) - math.log(len(log_w))) / power

    def shares(self, log_w: Tensor) -> Tensor:
        """The normalised powers of the weights."""
        return torch.softmax((1.0 - self.alpha) * log_w, 0)

    def path_factor(self, share: Tensor) -> Tensor:
        """α + (1 − α) w̃: 1 for the ELBO, w̃ for IWAE."""
        return self.alpha + (1.0 - self.alpha) * share

    def gain(self, log_w: Tensor) -> Tensor:
        """All particles of a datum earn its bound together."""
        return self.reduce(log_w)[None]

    @property
    def formula(self) -> str:
        """The bound."""
        a, k = f"{self.alpha:g}", self.num_particles
        note = self._note()
        bound = f"E_q[1/(1−{a}) log 1/{k} Σ_k (p(x,z_k)/q(z_k|x))^(1−{a})]"
        return bound + (f", {note}" if note else "")

    @property
    def latex(self) -> str:
        """The bound."""
        a, k = f"{self.alpha:g}", self.num_particles
        return (
            rf"\mathbb{{E}}_{{q}}\left[\frac{{1}}{{1-{a}}}\log\frac{{1}}{{{k}}}\sum_{{k=1}}^{{{k}}}"
            rf"\left(\frac{{p(x,z_k)}}{{q(z_k|x)}}\right)^{{1-{a}}}\right]"
        )
