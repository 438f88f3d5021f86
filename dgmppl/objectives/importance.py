"""The importance-weighted bound."""

from __future__ import annotations

from dataclasses import dataclass

from dgmppl.objectives.power_mean import PowerMean

__all__ = ["IWAE"]


@dataclass(frozen=True)
class IWAE(PowerMean):
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

    @property
    def power(self) -> float:
        """1: the weights themselves are averaged."""
        return 1.0

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
