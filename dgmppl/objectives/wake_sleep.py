"""Wake–sleep, plain and reweighted: the guide learns without a gradient through its draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.objectives.dreams import dream, guide_score
from dgmppl.objectives.objective import (
    Loss,
    Objective,
    ObjectiveError,
    Phase,
    Progress,
    refuse_undensified,
)
from dgmppl.weights import Weights, weights

__all__ = ["ReweightedWakeSleep", "WakeSleep", "total"]


@dataclass(frozen=True)
class WakeSleep(Objective):
    """The model learns from the guide's draws at data, the guide from the model's own dreams.

    Wake raises E_q[log p(x, z)] by the model, sleep raises E_p(x,z)[log q(z|x)] by the guide: two
    players whose steps descend no common function, but which need no gradient through draws. The
    reported value is the ELBO.

    References:
        The Wake-Sleep Algorithm for Unsupervised Neural Networks, Geoffrey Hinton, Peter Dayan,
        Brendan Frey, Radford Neal, 1995. https://doi.org/10.1126/science.7761831

    Example:
        >>> print(WakeSleep())
        wake: E_q[log p(x,z)]   sleep: E_p(x,z)[log q(z|x)]
    """

    num_particles: int = 1

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """Wake, then sleep."""
        return (Phase(("model",), self.wake), Phase(("guide",), self.sleep))

    def check(self, binding: Binding) -> None:
        """Densities, a guide that draws every latent itself, once a datum."""
        name = type(self).__name__
        refuse_undensified(binding, name)
        if not binding.latents or not binding.has_guide:
            raise ObjectiveError(
                f"{name} needs latent sites and a guide that draws them; the latent sites are "
                f"{[site.name for site in binding.latents]}. Try MaximumLikelihood(), or a guide."
            )
        for site in binding.sites.values():
            if site.in_guide and (site.point or site.auxiliary or not site.local):
                what = "no density" if site.point else "no counterpart in the model's dreams"
                what = what if site.local else "one value for all data"
                raise ObjectiveError(
                    f"{name} weighs the guide's draws a datum; guide site '{site.name}' has "
                    f"{what}. Try ELBO() or IWAE()."
                )
        both = set(binding.roles["model"]) & set(binding.roles["guide"])
        if both:
            raise ObjectiveError(
                f"{name} needs two players with parameters of their own; '{min(both)}' takes part "
                "in the model and in the guide, which would move it to ends of its own. Try ELBO() "
                "or IWAE()."
            )

    def wake(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus the guide's average of log p(x, z)."""
        w = self._weights(binding, x, progress)
        return _loss(w, -total(w.log_p).mean())

    def sleep(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus log q at dreams."""
        score = guide_score(binding, dream(binding, x)).mean()
        return Loss(-score, None, {"sleep": score.detach()})

    def _weights(self, binding: Binding, x: Any, progress: Progress) -> Weights:
        stopped = [site.name for site in binding.draws]
        return weights(binding, x, self.num_particles, size=progress.size, stopped=stopped)

    @property
    def formula(self) -> str:
        """Both phases."""
        return "wake: E_q[log p(x,z)]   sleep: E_p(x,z)[log q(z|x)]"

    @property
    def latex(self) -> str:
        """Both phases."""
        return (
            r"\max_\theta\,\mathbb{E}_{q(z|x)}[\log p_\theta(x,z)],\quad"
            r"\max_\phi\,\mathbb{E}_{p(x,z)}[\log q_\phi(z|x)]"
        )


@dataclass(frozen=True)
class ReweightedWakeSleep(WakeSleep):
    """Wake–sleep with K draws a datum, weighted to stand for the posterior.

    The model raises Σ_k w̃_k log p(x, z_k) and the guide Σ_k w̃_k log q(z_k|x), the weights w̃
    normalised for each datum by itself. The reported value is the importance-weighted bound, whose
    gradient by the model is the first sum's.

    Arguments:
        num_particles: K.
        guide_wakes: Whether the guide learns from weighted draws at data.
        guide_sleeps: Whether the guide learns from dreams, too (or instead).

    References:
        Reweighted Wake-Sleep, Jörg Bornschein and Yoshua Bengio, 2014.
        https://arxiv.org/abs/1406.2751

    Example:
        >>> print(ReweightedWakeSleep(num_particles=10))
        wake: Σ_k w̃_k [log p(x,z_k) + log q(z_k|x)], K = 10
    """

    num_particles: int = 5
    guide_wakes: bool = True
    guide_sleeps: bool = False

    def __post_init__(self) -> None:
        if not (self.guide_wakes or self.guide_sleeps):
            raise ValueError("Expected the guide to wake or to sleep. Try guide_sleeps=True.")

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """Wake (of both, or of the model alone), then perhaps sleep."""
        roles = ("model", "guide") if self.guide_wakes else ("model",)
        sleep = (Phase(("guide",), self.sleep),) if self.guide_sleeps else ()
        return (Phase(roles, self.wake), *sleep)

    def wake(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus the weighted sums; neither reaches the other's parameters through the draws."""
        w = self._weights(binding, x, progress)
        log_p, log_q = total(w.log_p), total(w.log_q)
        share = torch.softmax((log_p - log_q).detach(), 0)
        gain = log_p + log_q if self.guide_wakes else log_p
        return _loss(w, -(share * gain).sum(0).mean())

    @property
    def formula(self) -> str:
        """The phases that take place."""
        gain = "[log p(x,z_k) + log q(z_k|x)]" if self.guide_wakes else "log p(x,z_k)"
        sleep = "   sleep: E_p(x,z)[log q(z|x)]" if self.guide_sleeps else ""
        return f"wake: Σ_k w̃_k {gain}, K = {self.num_particles}{sleep}"

    @property
    def latex(self) -> str:
        """The wake phase."""
        return (
            r"\sum_k\tilde w_k\,\nabla\left[\log p_\theta(x,z_k)+\log q_\phi(z_k|x)\right],\quad"
            r"\tilde w_k\propto\frac{p(x,z_k)}{q(z_k|x)}"
        )


def total(tables: dict[str, Tensor]) -> Tensor:
    """A sum over sites, `[K, B]`."""
    first, *rest = tables.values()
    return sum(rest, first)


def _loss(w: Weights, surrogate: Tensor) -> Loss:
    """The surrogate, and the bound of these draws with its terms."""
    log_p, log_q = total(w.log_p).detach(), total(w.log_q).detach()
    bound = (torch.logsumexp(log_p - log_q, 0) - math.log(len(log_p))).mean()
    observed = {n: t.detach().mean() for n, t in w.log_p.items() if n not in w.log_q}
    return Loss(surrogate, bound, observed)
