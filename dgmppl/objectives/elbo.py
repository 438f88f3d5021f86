"""The evidence lower bound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.binding import Binding
from dgmppl.objectives.bound import Bound, Powers, powers_at, refuse_unknown
from dgmppl.objectives.criticised import names_of
from dgmppl.objectives.estimators import Pathwise
from dgmppl.objectives.objective import Loss, ObjectiveError, Phase, Progress
from dgmppl.objectives.ratio import Ratio
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
        ratio: A critic's ratio in the place of the densities of some sites, such as those of an
            implicit guide. The value then is an estimate of the bound: too high where the critic
            lags.

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
        >>> print(ELBO(ratio=Ratio("z", given="x")))
        E_q[log p(x,z) − log q(z|x)], log q(z|x) − log p(z) by critic(x, z)
    """

    analytic_kl: bool = True
    free_bits: Powers = None
    ratio: Ratio | None = None
    averages = True

    @property
    def measure(self) -> str:  # type: ignore[override]
        """A bound, or what a critic makes of it."""
        return "estimate" if self.ratio else "bound"

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """One player; with a ratio the critic before it."""
        (both,) = super().phases(binding)
        if self.ratio is None:
            return (both,)
        critic = self.ratio.critic_phase(binding)
        return replace(critic, loss=self._criticise), replace(both, every=self.ratio.critic_steps)

    def state(self, binding: Binding, x: Any) -> nn.Module | None:
        """What the estimator keeps, or the critic's regulariser."""
        return self.ratio.state(binding, x) if self.ratio else super().state(binding, x)

    def value(self, binding: Binding, x: Any, progress: Progress) -> Tensor:
        """The bound on a batch, nats a datum."""
        value = self.loss(binding, x, progress).value
        assert value is not None
        return value

    def check(self, binding: Binding) -> None:
        """As for every bound; free nats for sites that there are; a ratio that can be learned."""
        if self.ratio is not None:
            self.ratio.check_bound(binding)
            if not isinstance(self._estimator(binding), Pathwise) or self.chunk_size:
                raise ObjectiveError(
                    "ELBO with a ratio follows the pathwise gradient, all particles at once. Try "
                    "gradient=None and chunk_size=None."
                )
        super().check(binding)
        refuse_unknown(self.free_bits, binding, "free_bits")

    @property
    def without_density(self) -> tuple[str, ...]:
        """Those to the power 0, and those of the ratio."""
        own = names_of(self.ratio.sites) if self.ratio else ()
        return (*super().without_density, *own)

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """As for every bound; with a ratio the model's own draws may have a part in it."""
        loss = super().loss(binding, x, progress)
        drawn = self.ratio.draws_lose(binding, x, progress) if self.ratio else None
        return loss if drawn is None else replace(loss, surrogate=loss.surrogate + drawn)

    def _criticise(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        assert self.ratio is not None
        return replace(self.ratio.criticise(binding, x, progress), value=None)

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

    def adapted(self, w: Weights, x: Any, progress: Progress) -> Weights:
        """The tables, with the ratio, and with sites below their free nats to the power 0."""
        w = self.ratio.filled(w, x, progress) if self.ratio else w
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
        """As asked for, but not where densities themselves are needed.

        Scores with fixed parameters need those of the guide, a contrast those of the model.
        """
        fixed = self.gradient is not None and self.gradient.fixed_scores
        contrast = self.ratio is not None and self.ratio.contrast is not None
        return self.analytic_kl and not (fixed or contrast)

    @property
    def formula(self) -> str:
        """The bound."""
        parts = (self._note(), self.ratio.formula if self.ratio else "")
        note = ", ".join(filter(None, parts))
        return "E_q[log p(x,z) − log q(z|x)]" + (f", {note}" if note else "")

    @property
    def latex(self) -> str:
        """The bound."""
        return r"\mathbb{E}_{q(z|x)}\left[\log p(x,z)-\log q(z|x)\right]"
