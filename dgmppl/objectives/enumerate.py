"""Exact sums over the guide's discrete draws in place of samples of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.handlers import Configure
from dgmppl.objectives.estimators import Estimator
from dgmppl.objectives.objective import ObjectiveError
from dgmppl.weights import Weights

if TYPE_CHECKING:
    from dgmppl.objectives.bound import Bound

__all__ = ["Enumerate"]


@dataclass(frozen=True)
class Enumerate(Estimator):
    """E_q over the guide's discrete sites is written out; continuous sites stay pathwise.

    Every configuration of the discrete sites is run as a particle of its own, with K draws of the
    rest each, and every term of the bound is weighed with q of its configuration: no noise is left
    from the discrete choices, and the gradient is exact where there are no others.

    Arguments:
        limit: Most configurations a datum.

    References:
        Semi-Supervised Learning with Deep Generative Models, Diederik Kingma et al., 2014.
        https://arxiv.org/abs/1406.5298
    """

    limit: int = 2**12

    def check(self, bound: Bound, binding: Binding) -> None:
        """A bound that averages, and discrete draws of few values, each one a datum."""
        if not bound.averages:
            raise ObjectiveError(
                f"Enumerate writes out an average, and {type(bound).__name__} takes a logarithm of "
                "several particles. Try ELBO(gradient=Enumerate()), or gradient=VIMCO()."
            )
        counts = self._counts(binding)
        for site in binding.draws:
            if site.name not in counts and not site.reparameterised:
                raise ObjectiveError(
                    f"Enumerate cannot list the values of site '{site.name}' "
                    f"({site.distribution}): they are not finitely many scalars. Try "
                    "gradient=ScoreFunction(), or one site a unit."
                )
            dims = enumerate(site.batch_shape, -len(site.batch_shape))
            others = [size for dim, size in dims if not (site.local and dim == binding.data_dim)]
            if site.name in counts and math.prod(others) > 1:
                raise ObjectiveError(
                    f"Enumerate lists the values of one draw, and site '{site.name}' has "
                    f"{math.prod(others)} in further plates. Try gradient=ScoreFunction()."
                )
        if not counts:
            raise ObjectiveError(
                "Enumerate needs a discrete site in the guide, and it draws none. Try "
                "gradient=Pathwise()."
            )
        if (number := math.prod(counts.values())) > self.limit:
            raise ObjectiveError(
                f"Expected at most {self.limit} configurations of {list(counts)} a datum, got "
                f"{number}. Try gradient=ScoreFunction(), or Enumerate(limit={number})."
            )

    def tables(self, run: Callable[..., Weights], bound: Bound, binding: Binding) -> Weights:
        """The expectations of all tables over the discrete draws, `[K, B]`."""
        counts = self._counts(binding)
        number = math.prod(counts.values())
        dim, draws = binding.particle_dim, bound.draws

        def configure(start: int, each: int) -> Configure:
            return Configure(counts, dim, start, each, draws)

        return _expected(run(num_particles=number * draws, by_particle=configure), counts)

    def surrogate(self, bound: Bound, w: Weights, local: Tensor, shared: Tensor, *_: Any) -> Tensor:
        """The bound itself."""
        return bound.per_datum(w, local, shared)

    @staticmethod
    def _counts(binding: Binding) -> dict[str, int]:
        """Discrete guide site → its number of values."""
        return {s.name: s.count for s in binding.draws if s.count and not s.reparameterised}


def _expected(w: Weights, counts: Mapping[str, int]) -> Weights:
    """Sums tables `[C·K, B]` over C configurations, each weighed by its probability under q."""
    number = math.prod(counts.values())

    def split(table: Tensor) -> Tensor:
        return table.expand(len(table) if len(table) > 1 else number, -1).unflatten(0, (number, -1))

    scores = {name: split(w.log_q[name]) for name in counts}  # [C, K, B]
    zero = next(iter(scores.values())).new_zeros(number, 1, 1)
    shared = sum((s for n, s in scores.items() if not w.is_local(n)), zero)
    local = sum((s for n, s in scores.items() if w.is_local(n)), shared)
    repeats = math.prod(count for name, count in counts.items() if w.is_local(name))
    probabilities = {True: local.exp(), False: shared.exp() / repeats}

    def mean(tables: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {n: (probabilities[w.is_local(n)] * split(t)).sum(0) for n, t in tables.items()}

    return Weights(
        w.binding, w.runs, mean(w.log_p), mean(w.log_q), w.powers, w.size, mean(w.divergences)
    )
