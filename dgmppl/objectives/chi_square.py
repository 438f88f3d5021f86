"""The χ upper bound."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from dgmppl.binding import Binding
from dgmppl.objectives.objective import Loss, ObjectiveError, Phase, Progress
from dgmppl.objectives.wake_sleep import WakeSleep, total

__all__ = ["CUBO"]


@dataclass(frozen=True)
class CUBO(WakeSleep):
    """1/n log E_q[w^n] ≥ log p(x), w = p(x, z) / q(z|x), which the guide lowers.

    The guide learns to cover the posterior, for w must nowhere be large. Its gradient is

        ∇ 1/n log E_q[w^n] = −(n−1)/n E_q[w^n ∇ log q] / E_q[w^n] ≈ −(n−1)/n Σ_k w̃_k ∇ log q(z_k|x)

    with w̃ ∝ w^n, normalised for each datum by itself. No gradient passes through the draws, so
    that any guide with a density serves; and a path gradient of the logarithm of finitely many
    weights would be worse than noisy: it falls for ever as the guide leaves the posterior.

    The model stays as it is, since an upper bound that falls says nothing good of log p(x): to
    learn both give each its own, `PerRole(model=IWAE(num_particles=50), guide=CUBO())`. From
    finitely many draws the reported value lies below the bound on average, the further the worse
    the guide.

    Arguments:
        num_particles: K, draws a datum; at least 2.
        order: n > 1.

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
        if self.order <= 1 or self.num_particles < 2:
            raise ValueError(
                "Expected an order above 1 and at least 2 particles, got "
                f"{self.order} and {self.num_particles}. Try CUBO(num_particles=50, order=2)."
            )

    def check(self, binding: Binding) -> None:
        """As for wake–sleep; and a guide that has something to learn."""
        super().check(binding)
        if not binding.roles.get("guide"):
            raise ObjectiveError(
                "CUBO moves the guide, and this guide has no parameter. Try an amortised one."
            )

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """One player: the guide."""
        return (Phase(("guide",), self.loss),)

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus the weighted sum of log q."""
        n, w = self.order, self._weights(binding, x, progress)
        log_q = total(w.log_q)
        log_w = n * (total(w.log_p) - log_q).detach()
        surrogate = -(n - 1) / n * (torch.softmax(log_w, 0) * log_q).sum(0).mean()
        bound = (torch.logsumexp(log_w, 0) - math.log(len(log_w))).mean() / n
        observed = {name: t.detach().mean() for name, t in w.log_p.items() if name not in w.log_q}
        return Loss(surrogate, bound, observed)

    @property
    def formula(self) -> str:
        """The bound."""
        n = f"{self.order:g}"
        return f"min over q: 1/{n} log E_q[(p(x,z)/q(z|x))^{n}], K = {self.num_particles}"

    @property
    def latex(self) -> str:
        """The bound."""
        n = f"{self.order:g}"
        return (
            rf"\min_q\frac{{1}}{{{n}}}\log\mathbb{{E}}_{{q}}"
            rf"\left[\left(\frac{{p(x,z)}}{{q(z|x)}}\right)^{{{n}}}\right]"
        )
