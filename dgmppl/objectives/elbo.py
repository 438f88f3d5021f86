"""The evidence lower bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.objectives.bound import Bound
from dgmppl.weights import Weights

__all__ = ["ELBO"]


@dataclass(frozen=True)
class ELBO(Bound):
    """E_q[log p(x, z) − log q(z|x)], averaged over K draws.

    Arguments:
        num_particles: K, draws a datum.
        gradient: The estimator; `None` chooses.
        temper: Powers on sites: `temper=4.0` or `{"z": 4.0}` is the β-VAE,
            `{"z": Linear(0, 1, 10)}` a warm-up.
        analytic_kl: Whether KL(q‖p) is taken in closed form at the sites where Pyro knows it and
            the order of sites allows it; the rest is estimated by draws.

    References:
        Auto-Encoding Variational Bayes, Diederik Kingma and Max Welling, 2013.
        https://arxiv.org/abs/1312.6114

    Example:
        >>> print(ELBO())
        E_q[log p(x,z) − log q(z|x)]
        >>> print(ELBO(temper={"z": 4.0}))
        E_q[log p(x,z) − log q(z|x)], z to the power 4
    """

    analytic_kl: bool = True
    averages = True

    def reduce(self, log_w: Tensor) -> Tensor:
        """The mean over particles."""
        return log_w.mean(0)

    def shares(self, log_w: Tensor) -> Tensor:
        """Every particle counts alike."""
        return torch.full_like(log_w, 1.0 / len(log_w))

    def gain(self, log_w: Tensor) -> Tensor:
        """Each particle's own log-weight."""
        return log_w / len(log_w)

    def whole(self, w: Weights, local: Tensor, shared: Tensor) -> Tensor:
        """Each particle's own average over the data."""
        return local.mean(1, keepdim=True) + shared / w.size

    def log_weights(self, w: Weights) -> tuple[Any, Any]:
        """As for every bound, with −KL in place of the sampled difference where it is known."""
        known = self._known_divergences(w)
        if not known:
            return super().log_weights(w)
        rest = [name for name in dict.fromkeys((*w.log_p, *w.log_q)) if name not in known]
        plain = self._subtract(w, known, w.ratio(sites=rest), tempered=False)
        if not w.powers:
            return plain, plain
        parts = w.ratio(sites=rest, tempered=True)
        return plain, self._subtract(w, known, parts, tempered=True)

    def terms(self, w: Weights) -> dict[str, Tensor]:
        """log p of observed sites and the divergence of latent ones, nats a datum."""
        closed = {
            f"kl_{name}": kl.detach().mean() / (1 if w.is_local(name) else w.size)
            for name, kl in self._known_divergences(w).items()
        }
        return super().terms(w) | closed

    def _subtract(
        self, w: Weights, known: dict[str, Tensor], parts: tuple[Any, Any], *, tempered: bool
    ) -> tuple[Any, Any]:
        local, shared = parts
        for name, kl in known.items():
            term = w.powers.get(name, 1.0) * kl if tempered else kl
            if w.is_local(name):
                local = local - term
            else:
                shared = shared - term
        return local, shared

    def _known_divergences(self, w: Weights) -> dict[str, Tensor]:
        """Site → KL(q‖p) in closed form, where this bound is to use it."""
        fixed = self.gradient is not None and self.gradient.fixed_scores
        return w.divergences if self.analytic_kl and not fixed else {}

    @property
    def formula(self) -> str:
        """The bound."""
        note = self._note()
        return "E_q[log p(x,z) − log q(z|x)]" + (f", {note}" if note else "")

    @property
    def latex(self) -> str:
        """The bound."""
        return r"\mathbb{E}_{q(z|x)}\left[\log p(x,z)-\log q(z|x)\right]"
