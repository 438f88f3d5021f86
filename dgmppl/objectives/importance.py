"""The importance-weighted bound."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dgmppl.objectives.bound import Bound

__all__ = ["IWAE"]


@dataclass(frozen=True)
class IWAE(Bound):
    """E_q[log 1/K Σ_k p(x, z_k) / q(z_k|x)]: tighter as K grows, the ELBO for K = 1.

    Arguments:
        num_particles: K, draws a datum.
        gradient: The estimator; `None` chooses. `DoublyReparameterized()` keeps the guide's
            gradient from drowning in noise for large K.
        temper: Powers on sites.

    References:
        Importance Weighted Autoencoders, Yuri Burda, Roger Grosse, Ruslan Salakhutdinov, 2015.
        https://arxiv.org/abs/1509.00519

    Example:
        >>> print(IWAE(num_particles=5))
        E_q[log 1/5 Σ_k p(x,z_k)/q(z_k|x)]
    """

    num_particles: int = 5

    def reduce(self, log_w: Tensor) -> Tensor:
        """The log of the mean weight."""
        return torch.logsumexp(log_w, 0) - math.log(len(log_w))

    def shares(self, log_w: Tensor) -> Tensor:
        """The normalised weights."""
        return torch.softmax(log_w, 0)

    def gain(self, log_w: Tensor) -> Tensor:
        """All particles of a datum earn its bound together."""
        return self.reduce(log_w)[None]

    @property
    def formula(self) -> str:
        """The bound."""
        note = self._note()
        k = self.num_particles
        return f"E_q[log 1/{k} Σ_k p(x,z_k)/q(z_k|x)]" + (f", {note}" if note else "")

    @property
    def latex(self) -> str:
        """The bound."""
        k = self.num_particles
        return (
            rf"\mathbb{{E}}_{{q}}\left[\log\frac{{1}}{{{k}}}\sum_{{k=1}}^{{{k}}}"
            r"\frac{p(x,z_k)}{q(z_k|x)}\right]"
        )
