"""The average of several importance-weighted bounds."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dgmppl.objectives.importance import IWAE

__all__ = ["MIWAE"]


@dataclass(frozen=True)
class MIWAE(IWAE):
    """1/M Σ_m log 1/K Σ_k w_mk: between the ELBO (K = 1) and IWAE (M = 1), M·K draws a datum.

    The guide's gradient loses its signal as K grows and gains as M does. PIWAE gives each player
    its own: `PerRole(model=IWAE(num_particles=M * K), guide=MIWAE(num_groups=M, num_particles=K))`;
    CIWAE is a sum of bounds, `0.5 * ELBO(num_particles=K) + 0.5 * IWAE(num_particles=K)`.

    Arguments:
        num_particles: K, draws under one logarithm.
        num_groups: M, how many of these are averaged.
        gradient: The estimator; `None` chooses.
        temper: Powers on sites.

    References:
        Tighter Variational Bounds are Not Necessarily Better, Tom Rainforth et al., 2018.
        https://arxiv.org/abs/1802.04537

    Example:
        >>> print(MIWAE(num_groups=4, num_particles=5))
        E_q[1/4 Σ_m log 1/5 Σ_k p(x,z_mk)/q(z_mk|x)]
    """

    num_groups: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_groups < 1:
            raise ValueError(f"Expected num_groups of at least 1, got {self.num_groups}.")

    @property
    def draws(self) -> int:
        """M·K."""
        return self.num_groups * self.num_particles

    def reduce(self, log_w: Tensor) -> Tensor:
        """The mean of the groups' bounds."""
        return super().reduce(self._grouped(log_w)).mean(0)

    def shares(self, log_w: Tensor) -> Tensor:
        """The weights, normalised in their group, over the number of groups."""
        return (super().shares(self._grouped(log_w)) / self.num_groups).flatten(0, 1)

    def gain(self, log_w: Tensor) -> Tensor:
        """Each particle earns its group's bound."""
        bounds = super().reduce(self._grouped(log_w)) / self.num_groups
        return bounds.expand(self.num_particles, *bounds.shape).flatten(0, 1)

    def path_factor(self, share: Tensor) -> Tensor:
        """The weights normalised in their group."""
        return self.num_groups * share

    def _grouped(self, log_w: Tensor) -> Tensor:
        """`[M·K, B]` → `[K, M, B]`."""
        return log_w.unflatten(0, (self.num_particles, self.num_groups))

    @property
    def formula(self) -> str:
        """The bound."""
        m, k, note = self.num_groups, self.num_particles, self._note()
        bound = f"E_q[1/{m} Σ_m log 1/{k} Σ_k p(x,z_mk)/q(z_mk|x)]"
        return bound + (f", {note}" if note else "")

    @property
    def latex(self) -> str:
        """The bound."""
        m, k = self.num_groups, self.num_particles
        return (
            rf"\mathbb{{E}}_{{q}}\left[\frac{{1}}{{{m}}}\sum_{{m=1}}^{{{m}}}\log\frac{{1}}{{{k}}}"
            rf"\sum_{{k=1}}^{{{k}}}\frac{{p(x,z_{{mk}})}}{{q(z_{{mk}}|x)}}\right]"
        )
