"""The χ upper bound."""

from __future__ import annotations

from dataclasses import dataclass

from dgmppl.binding import Binding
from dgmppl.objectives.objective import ObjectiveError, Phase
from dgmppl.objectives.power_mean import PowerMean

__all__ = ["CUBO"]


@dataclass(frozen=True)
class CUBO(PowerMean):
    """1/n log E_q[(p(x, z) / q(z|x))^n] ≥ log p(x), which the guide lowers.

    The guide learns to cover the posterior, for its weights must nowhere be large. The model stays
    as it is, since an upper bound that falls says nothing good of log p(x): to learn both, give
    each its own, `PerRole(model=IWAE(num_particles=50), guide=CUBO())`. From finitely many draws
    the reported value lies below the bound on average, the further the worse the guide.

    Arguments:
        num_particles: K, draws a datum; at least 2.
        order: n ≥ 1; 2 bounds the χ² divergence.
        gradient: The estimator; `None` chooses.
        temper: Powers on sites.

    References:
        Variational Inference via χ Upper Bound Minimization, Adji Dieng et al., 2017.
        https://arxiv.org/abs/1611.00328

    Example:
        >>> print(CUBO())
        min over q: 1/2 log E_q[(p(x,z)/q(z|x))^2], K = 50
    """

    num_particles: int = 50
    order: float = 2.0

    direction = -1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order < 1 or self.num_particles < 2:
            raise ValueError(
                "Expected an order of at least 1 and at least 2 particles, got "
                f"{self.order} and {self.num_particles}. Try CUBO(num_particles=50, order=2)."
            )

    @property
    def power(self) -> float:
        """The order n."""
        return self.order

    def check(self, binding: Binding) -> None:
        """As for every bound; and a guide that has something to learn."""
        super().check(binding)
        if not binding.roles.get("guide"):
            raise ObjectiveError("CUBO moves the guide, and this guide has no parameter.")

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """One player: the guide."""
        return (Phase(("guide", *self._estimator(binding).roles), self.loss),)

    @property
    def formula(self) -> str:
        """The bound."""
        n, note = f"{self.order:g}", self._note()
        bound = f"min over q: 1/{n} log E_q[(p(x,z)/q(z|x))^{n}], K = {self.num_particles}"
        return bound + (f", {note}" if note else "")

    @property
    def latex(self) -> str:
        """The bound."""
        n = f"{self.order:g}"
        return (
            rf"\min_q\frac{{1}}{{{n}}}\log\mathbb{{E}}_{{q}}"
            rf"\left[\left(\frac{{p(x,z)}}{{q(z|x)}}\right)^{{{n}}}\right]"
        )
