"""An objective of its own for each player."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from dgmppl.binding import Binding
from dgmppl.objectives.objective import Objective, Phase, Progress
from dgmppl.objectives.sum import states, with_state

__all__ = ["PerRole"]


@dataclass(frozen=True)
class PerRole(Objective):
    """The model follows one objective, the guide another, each on draws of its own.

    `PerRole(model=IWAE(num_particles=64), guide=MIWAE(num_groups=8, num_particles=8))` is PIWAE;
    `PerRole(model=IWAE(num_particles=50), guide=CUBO())` learns a guide that covers the posterior.
    What is reported is the model's.

    Arguments:
        model: What the model's parameters follow.
        guide: What the guide's parameters follow.

    References:
        Tighter Variational Bounds are Not Necessarily Better, Tom Rainforth et al., 2018.
        https://arxiv.org/abs/1802.04537

    Example:
        >>> from dgmppl.objectives import ELBO, IWAE
        >>> print(PerRole(model=IWAE(num_particles=5), guide=ELBO()))
        model: E_q[log 1/5 Σ_k p(x,z_k)/q(z_k|x)]   guide: E_q[log p(x,z) − log q(z|x)]
    """

    model: Objective
    guide: Objective

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """The model's moves, then the guide's."""
        return (*self._own(binding, 0, "model"), *self._own(binding, 1, "guide"))

    def _own(self, binding: Binding, i: int, role: str) -> tuple[Phase, ...]:
        """One player's phases, without the other's parameters."""
        kept = (role, "baseline") if role == "guide" else (role,)
        phases = (self.model, self.guide)[i].phases(binding)
        moved = [replace(p, roles=tuple(r for r in p.roles if r in kept)) for p in phases]
        return tuple(replace(p, loss=with_state(i, p.loss)) for p in moved if role in p.roles)

    def state(self, binding: Binding, x: Any) -> nn.Module | None:
        """What both keep."""
        return states(binding, x, (self.model, self.guide))

    def value(self, binding: Binding, x: Any, progress: Progress) -> Tensor:
        """The model's bound."""
        return self.model.value(binding, x, progress)

    def check(self, binding: Binding) -> None:
        """Checks both."""
        self.model.check(binding)
        self.guide.check(binding)

    @property
    def formula(self) -> str:
        """Both formulas."""
        return f"model: {self.model.formula}   guide: {self.guide.formula}"

    @property
    def latex(self) -> str:
        """Both formulas."""
        return rf"\theta:\;{self.model.latex},\quad\phi:\;{self.guide.latex}"
