"""Bounds on log p(x) from K weighted draws: what ELBO, IWAE and their relatives share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor, nn

from dgmppl.binding import Binding
from dgmppl.handlers import Temper, Unscored
from dgmppl.objectives.estimators import Estimator, Pathwise
from dgmppl.objectives.objective import (
    Loss,
    Objective,
    ObjectiveError,
    Phase,
    Progress,
    refuse_undensified,
)
from dgmppl.objectives.score_function import ScoreFunction
from dgmppl.objectives.vimco import VIMCO
from dgmppl.schedules import Clock, Schedule, setting_at
from dgmppl.weights import Weights, weights

__all__ = ["Bound", "Powers", "powers_at", "refuse_unknown"]

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
            or one power for all latent sites. The reported value is the bound at power 1. An
            implicit site to the power 0 needs no density, and has no part in the value.
        chunk_size: Most particles in memory at once; `None` holds all. More are run in chunks, each
            once more in the backward pass: about a third more time, memory for any K.
    """

    num_particles: int = 1
    gradient: Estimator | None = None
    temper: Powers = None
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        if self.num_particles < 1:
            raise ValueError(f"Expected num_particles of at least 1, got {self.num_particles}.")
        if self.chunk_size is not None and self.chunk_size < 1:
            raise ValueError(f"Expected a chunk_size of at least 1, got {self.chunk_size}.")

    #: Whether the particles are averaged outside the logarithm.
    averages = False

    @property
    def analytic(self) -> bool:
        """Whether KL(q‖p) is taken in closed form where it is known."""
        return False

    @abstractmethod
    def reduce(self, log_w: Tensor) -> Tensor:
        """The bound of each datum from its log-weights: `[K, B]` → `[B]`."""

    @abstractmethod
    def shares(self, log_w: Tensor) -> Tensor:
        """∂ reduce / ∂ log_w: the weight of each particle in the gradient, `[K, B]`."""

    def gain(self, log_w: Tensor) -> Tensor:
        """What multiplies each particle's score in a log-average, `[K, B]` or `[1, B]`."""
        return self.reduce(log_w)[None]

    def path_factor(self, share: Tensor) -> Tensor:
        """What multiplies doubly reparameterised path gradients beyond their share, `[K, B]`."""
        return share

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """One player: model and guide together, and what the estimator learns beside them."""
        return (Phase(("model", "guide", *self._estimator(binding).roles), self.loss),)

    def state(self, binding: Binding, x: Any) -> nn.Module | None:
        """What the estimator keeps from step to step."""
        return self._estimator(binding).state(binding, x)

    def check(self, binding: Binding) -> None:
        """The program has densities, a guide for its latents, and an estimator that suits both."""
        name = type(self).__name__
        refuse_undensified(binding, name, self.without_density)
        latents = [site.name for site in binding.latents]
        if latents and not binding.has_guide:
            raise ObjectiveError(
                f"{name} needs a guide for the latent sites {latents}. Try "
                "guide=AutoNormal(program.model) or a guide(self, x) method; MaximumLikelihood() "
                "sums over enumerable latents."
            )
        refuse_unknown(self.temper, binding, "temper")
        self._estimator(binding).check(self, binding)

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """Minus the surrogate, with the bound and its terms a datum."""
        estimator = self._estimator(binding)
        powers = powers_at(self.temper, binding, progress.epoch)
        run = partial(
            weights,
            binding,
            x,
            num_particles=self.draws,
            size=progress.size,
            shared_globals=not self.averages and not self.joint(binding),
            handlers=((Temper(powers),) if powers else ()) + self.handlers,
            chunk_size=self.chunk_size,
        )
        w = self.adapted(estimator.tables(run, self, binding), x, progress)
        self._refuse_a_part(w)
        tempered = self._join(binding, self.log_weights(w, tempered=True))
        surrogate = -estimator.surrogate(self, w, *tempered, x, progress)
        with torch.no_grad():
            seen = estimator.reported(run, w)
            same = seen is w and not w.powers
            plain = tempered if same else self._join(binding, self.log_weights(seen))
            return Loss(surrogate, self.per_datum(seen, *plain), self.terms(seen))

    @property
    def draws(self) -> int:
        """How many particles a datum has in all."""
        return self.num_particles

    @property
    def without_density(self) -> tuple[str, ...]:
        """Sites whose densities are not asked for: those to the power 0."""
        named = self.temper if isinstance(self.temper, Mapping) else {}
        return tuple(name for name, power in named.items() if not callable(power) and power == 0)

    @property
    def handlers(self) -> tuple[Messenger, ...]:
        """What leaves implicit sites out whose densities are not asked for."""
        return (Unscored(self.without_density),) if self.without_density else ()

    def adapted(self, w: Weights, x: Any, progress: Progress) -> Weights:
        """The tables with what depends on the draws themselves."""
        return w

    def closed(self, w: Weights) -> dict[str, Tensor]:
        """Site → KL(q‖p) in closed form, where this bound is to use it."""
        return w.divergences if self.analytic else {}

    def _refuse_a_part(self, w: Weights) -> None:
        if self.joint(w.binding) and w.batch != w.size:
            raise ObjectiveError(
                f"{type(self).__name__} with {self.num_particles} particles of latents shared by "
                f"all data is a bound on the whole set only: got {w.batch} of {w.size} data. Try "
                "batch_size=None, or ELBO()."
            )

    def log_weights(self, w: Weights, *, tempered: bool = False) -> tuple[Any, Any]:
        """Local and global log-weights."""
        return w.ratio(tempered=tempered)

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
        local = reduced.mean()
        return local if w.binding.all_local else local + shared.mean() / w.size

    def per_datum(self, w: Weights, local: Tensor, shared: Tensor) -> Tensor:
        """The bound, nats a datum."""
        return self.total(w, self.reduce(local), shared)

    def terms(self, w: Weights) -> dict[str, Tensor]:
        """log p of observed sites and the divergence of latent ones, nats a datum."""
        result = {}
        closed = self.closed(w)
        for name in w.binding.sites:
            local, shared = w.ratio(sites=(name,))
            table = closed.get(name, local if isinstance(local, Tensor) else shared)
            if isinstance(table, Tensor):
                value = table.mean()
                value = value if w.is_local(name) else value / w.size
                drawn = name in w.log_q or not w.binding.sites[name].observed
                latent = drawn and name not in closed
                label = f"kl_{name}" if latent or name in closed else name
                result[label] = -value if latent else value
        return result

    def _estimator(self, binding: Binding) -> Estimator:
        if self.gradient is not None:
            return self.gradient
        if all(site.reparameterised for site in binding.draws):
            return Pathwise()
        several = self.num_particles > 1 and not self.averages
        return VIMCO(everywhere=False) if several else ScoreFunction(everywhere=False)

    def _note(self) -> str:
        """The powers, for the formula."""
        if self.temper is None:
            return ""
        if isinstance(self.temper, Mapping):
            return ", ".join(f"{name} to the power {_text(p)}" for name, p in self.temper.items())
        return f"latents to the power {_text(self.temper)}"


def powers_at(setting: Powers, binding: Binding, epoch: float | Clock) -> dict[str, Any]:
    """Site → its number at this point of learning; one number is for every latent site."""
    if setting is None:
        return {}
    named = setting if isinstance(setting, Mapping) else {s.name: setting for s in binding.latents}
    return {name: setting_at(power, epoch) for name, power in named.items()}


def refuse_unknown(setting: Powers, binding: Binding, name: str) -> None:
    """Refuses a setting for a site that the program does not have."""
    named = setting if isinstance(setting, Mapping) else {}
    for site in named:
        if site not in binding.sites:
            raise ObjectiveError(
                f"{name} names the site '{site}', which the program does not have. "
                f"Try one of {sorted(binding.sites)}."
            )


def _text(power: float | Schedule) -> str:
    return str(power) if callable(power) else f"{power:g}"
