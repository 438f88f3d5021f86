"""The variational Rényi bound."""

from __future__ import annotations

from dataclasses import dataclass

from dgmppl.objectives.power_mean import PowerMean

__all__ = ["Renyi"]


@dataclass(frozen=True)
class Renyi(PowerMean):
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

    @property
    def power(self) -> float:
        """1 − α."""
        return 1.0 - self.alpha

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
