"""The evidence lower bound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.objectives.bound import Bound, Powers, powers_at, refuse_unknown
from dgmppl.objectives.objective import Progress
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
        free_bits: Nats of KL, on average over the batch, that a latent site has for free: below
            them its terms pass no gradient. A mapping from site to nats, or one number for all;
            constant or scheduled. The reported value is the bound all the same.

    References:
        Improving Variational Inference with Inverse Autoregressive Flow, Diederik Kingma et al.,
        2016 (free bits, appendix C). https://arxiv.org/abs/1606.04934
        Auto-Encoding Variational Bayes, Diederik Kingma and Max Welling, 2013.
        https://arxiv.org/abs/1312.6114

    Example:
        >>> print(ELBO())
        E_q[log p(x,z) − log q(z|x)]
        >>> print(ELBO(temper={"z": 4.0}))
        E_q[log p(x,z) − log q(z|x)], z to the power 4
    """

    analytic_kl: bool = True
    free_bits: Powers = None
    averages = True

    def check(self, binding: Binding) -> None:
        """As for every bound; and free nats for sites that there are."""
        super().check(binding)
        refuse_unknown(self.free_bits, binding, "free_bits")

    def reduce(self, log_w: Tensor) -> Tensor:
        """The mean over particles."""
        return log_w.mean(0)

    def shares(self, log_w: Tensor) -> Tensor:
        """Every particle counts alike."""
        return torch.full_like(log_w, 1.0 / len(log_w))

    def log_weights(self, w: Weights, *, tempered: bool = False) -> tuple[Any, Any]:
        """As for every bound, with −KL in place of the sampled difference where it is known."""
        known = self.closed(w)
        rest = [name for name in dict.fromkeys((*w.log_p, *w.log_q)) if name not in known]
        local, shared = w.ratio(tempered=tempered, sites=rest)
        for name, kl in known.items():
            term = w.powers.get(name, 1.0) * kl if tempered else kl
            if w.is_local(name):
                local = local - term
            else:
                shared = shared - term
        return local, shared

    def adapted(self, w: Weights, progress: Progress) -> Weights:
        """The tables, sites below their free nats to the power 0."""
        if self.free_bits is None:
            return w
        powers = dict(w.powers)
        for name, free in powers_at(self.free_bits, w.binding, progress.epoch).items():
            local, shared = w.ratio(sites=(name,))
            kl = torch.as_tensor(self.closed(w).get(name, -(local + shared))).detach()
            powers[name] = (kl.mean() > free).to(kl) * powers.get(name, 1.0)
        return replace(w, powers=powers)

    @property
    def analytic(self) -> bool:
        """As asked for, but not where scores are to be taken with fixed parameters."""
        fixed = self.gradient is not None and self.gradient.fixed_scores
        return self.analytic_kl and not fixed

    @property
    def formula(self) -> str:
        """The bound."""
        note = self._note()
        return "E_q[log p(x,z) − log q(z|x)]" + (f", {note}" if note else "")

    @property
    def latex(self) -> str:
        """The bound."""
        return r"\mathbb{E}_{q(z|x)}\left[\log p(x,z)-\log q(z|x)\right]"
