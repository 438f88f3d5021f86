"""Bounds on log p(x) from K weighted draws: what ELBO, IWAE and their relatives share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.handlers import Temper
from dgmppl.objectives.estimators import Estimator, Pathwise, ScoreFunction
from dgmppl.objectives.objective import (
    Loss,
    Objective,
    ObjectiveError,
    Phase,
    Progress,
    refuse_undensified,
)
from dgmppl.objectives.vimco import VIMCO
from dgmppl.schedules import Schedule, setting_at
from dgmppl.weights import Weights, weights

__all__ = ["Bound"]

Powers = Mapping[str, float | Schedule] | float | Schedule | None


@dataclass(frozen=True)
class Bound(Objective):
    """A bound that reduces the log-weights log p(x, z) − log q(z|x) of K draws a datum.

    Latents outside the data plate are treated as in an ELBO, so that the minibatch scale N/B stays
    outside every logarithm; with no latent inside it the K draws are joint and need the whole data.

    Arguments:
        num_particles: K.
        gradient: The estimator; `None` takes Pathwise where all of the guide's draws are
            reparameterised, and elsewhere the score function at those that are not: plain for an
            average, VIMCO for several particles under one logarithm.
        temper: Powers on sites (β), constant or scheduled by epoch: a mapping from site to power,
            or one power for all latent sites. The reported value is the bound at power 1.
    """

    num_particles: int = 1
    gradient: Estimator | None = None
    temper: Powers = None

    def __post_init__(self) -> None:
        if self.num_particles < 1:
            raise ValueError(f"Expected num_particles of at least 1, got {self.num_particles}.")

    #: Whether the particles are averaged outside the logarithm.
    averages = False

    @abstractmethod
    def reduce(self, log_w: Tensor) -> Tensor:
        """The bound of each datum from its log-weights: `[K, B]` → `[B]`."""

    @abstractmethod
    def shares(self, log_w: Tensor) -> Tensor:
        """∂ reduce / ∂ log_w: the weight of each particle in the gradient, `[K, B]`."""

    @abstractmethod
    def gain(self, log_w: Tensor) -> Tensor:
        """What multiplies each particle's score, `[K, B]` or `[1, B]`."""

    def path_factor(self, share: Tensor) -> Tensor:
        """What multiplies doubly reparameterised path gradients beyond their share, `[K, B]`."""
        return share

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """One player: model and guide together."""
        return (Phase(("model", "guide"), self.loss),)

    def check(self, binding: Binding) -> None:
        """The program has densities, a guide for its latents, and an estimator that suits both."""
        name = type(self).__name__
        refuse_undensified(binding, name)
        latents = [site.name for site in binding.latents]
        if latents and not binding.has_guide:
            raise ObjectiveError(
                f"{name} needs a guide for the latent sites {latents}. Try "
                "guide=AutoNormal(program.model) or a guide(self, x) method; MaximumLikelihood() "
                "sums over enumerable latents."
            )
        unknown = [s for s in self._named_powers() if s not in binding.sites]
        if unknown:
            raise ObjectiveError(
                f"temper names the site '{unknown[0]}', which the program does not have. "
                f"Try one of {sorted(binding.sites)}."
            )
        self._estimator(binding).check(self, binding)

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus the surrogate, with the bound and its terms a datum."""
        estimator = self._estimator(binding)
        powers = self._powers(binding, progress.epoch)
        w = weights(
            binding,
            x,
            self.num_particles,
            size=progress.size,
            shared_globals=not self.averages and not self.joint(binding),
            fixed_scores=estimator.fixed_scores,
            stopped=estimator.stopped(binding),
            handlers=(Temper(powers),) if powers else (),
        )
        if self.joint(binding) and w.batch != w.size:
            raise ObjectiveError(
                f"{type(self).__name__} with {self.num_particles} particles of latents shared by "
                f"all data is a bound on the whole set only: got {w.batch} of {w.size} data. Try "
                "batch_size=None, or ELBO()."
            )
        plain, tempered = self.log_weights(w)
        surrogate = -estimator.surrogate(self, w, *self._join(binding, tempered))
        with torch.no_grad():
            return Loss(surrogate, self.per_datum(w, *self._join(binding, plain)), self.terms(w))

    def log_weights(self, w: Weights) -> tuple[Any, Any]:
        """Local and global log-weights, plain and tempered."""
        plain = w.ratio()
        return plain, (w.ratio(tempered=True) if w.powers else plain)

    def joint(self, binding: Binding) -> bool:
        """Whether the K draws are of global latents only, so that their weights span all data."""
        several = not self.averages and self.num_particles > 1
        return several and bool(binding.draws) and not any(s.local for s in binding.draws)

    def _join(self, binding: Binding, pair: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
        """Both parts as tensors; in the joint case all in one column."""
        tensors = [t for t in pair if isinstance(t, Tensor)]
        zero = tensors[0].new_zeros(1, 1)
        local, shared = (t if isinstance(t, Tensor) else zero for t in pair)
        if self.joint(binding):
            return local.sum(1, keepdim=True) + shared, zero
        return local, shared

    def total(self, w: Weights, reduced: Tensor, shared: Tensor) -> Tensor:
        """Nats a datum from `[B]` local bounds and `[K, 1]` global log-weights."""
        if self.joint(w.binding):
            return reduced.mean() / w.size
        return reduced.mean() + shared.mean() / w.size

    def per_datum(self, w: Weights, local: Tensor, shared: Tensor) -> Tensor:
        """The bound, nats a datum."""
        return self.total(w, self.reduce(local), shared)

    def whole(self, w: Weights, local: Tensor, shared: Tensor) -> Tensor:
        """What a draw of the global latents gave, nats a datum: `[K, 1]` or `[1, 1]`."""
        return self.reduce(local).mean() + shared / w.size

    def terms(self, w: Weights) -> dict[str, Tensor]:
        """log p of observed sites and the divergence of latent ones, nats a datum."""
        result = {}
        for name in dict.fromkeys((*w.log_p, *w.log_q)):
            local, shared = w.ratio(sites=(name,))
            table = local if isinstance(local, Tensor) else shared
            if isinstance(table, Tensor):
                value = table.detach().mean() / (1 if w.is_local(name) else w.size)
                result[name if name not in w.log_q else f"kl_{name}"] = (
                    value if name not in w.log_q else -value
                )
        return result

    def _estimator(self, binding: Binding) -> Estimator:
        if self.gradient is not None:
            return self.gradient
        if all(site.reparameterised for site in binding.draws):
            return Pathwise()
        several = self.num_particles > 1 and not self.averages
        return VIMCO(everywhere=False) if several else ScoreFunction(everywhere=False)

    def _named_powers(self) -> Mapping[str, Any]:
        return self.temper if isinstance(self.temper, Mapping) else {}

    def _powers(self, binding: Binding, epoch: float) -> dict[str, float]:
        """Site → power at this point of learning."""
        if self.temper is None:
            return {}
        named = self._named_powers()
        if not isinstance(self.temper, Mapping):
            named = {site.name: self.temper for site in binding.latents}
        return {name: setting_at(power, epoch) for name, power in named.items()}

    def _note(self) -> str:
        """The powers, for the formula."""
        if self.temper is None:
            return ""
        if isinstance(self.temper, Mapping):
            return ", ".join(f"{name} to the power {_text(p)}" for name, p in self.temper.items())
        return f"latents to the power {_text(self.temper)}"


def _text(power: float | Schedule) -> str:
    return str(power) if callable(power) else f"{power:g}"
