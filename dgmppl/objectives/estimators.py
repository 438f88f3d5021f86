"""Gradient estimators for bounds on log p(x): how the guide's parameters learn from draws.

Every estimator turns the per-particle log-weights and a bound's reduction over particles into a
surrogate whose gradient estimates that of the expected bound.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from dgmppl.binding import Binding
from dgmppl.objectives.objective import ObjectiveError, Progress
from dgmppl.weights import Weights

if TYPE_CHECKING:
    from dgmppl.objectives.bound import Bound

__all__ = [
    "DoublyReparameterized",
    "Estimator",
    "Pathwise",
    "StickingTheLanding",
]


class Estimator(ABC):
    """How the gradient of an expectation under the guide is estimated."""

    #: Whether log q is scored with the guide's parameters held fixed.
    fixed_scores = False
    #: Roles that move beside model and guide: "baseline" where the estimator learns something.
    roles: tuple[str, ...] = ()

    def stopped(self, binding: Binding) -> tuple[str, ...]:
        """Guide sites whose draws pass no gradient."""
        return ()

    @abstractmethod
    def check(self, bound: Bound, binding: Binding) -> None:
        """Raises ObjectiveError if this estimator is unsound for the bound or the guide."""

    def state(self, binding: Binding, x: Any) -> nn.Module | None:
        """What the estimator keeps from step to step and learns itself, such as a baseline."""
        return None

    def tables(self, run: Callable[..., Weights], bound: Bound, binding: Binding) -> Weights:
        """The tables to learn from.

        Arguments:
            run: Takes further arguments of `weights`, and runs the program on the batch.
            bound: What is to be estimated.
            binding: The program.
        """
        return run(fixed_scores=self.fixed_scores, stopped=self.stopped(binding))

    def reported(self, run: Callable[..., Weights], w: Weights) -> Weights:
        """The tables that the reported value is computed from: those learned from."""
        return w

    @abstractmethod
    def surrogate(
        self,
        bound: Bound,
        w: Weights,
        local: Tensor,
        shared: Tensor,
        x: Any = None,
        progress: Progress | None = None,
    ) -> Tensor:
        """A scalar whose gradient is that of the bound a datum (to be maximised).

        Arguments:
            bound: Reduces particles.
            w: The tables.
            local: Tempered log-weights of the local sites, `[K, B]`.
            shared: Tempered log-weights of the global sites, `[K, 1]`.
            x: The batch.
            progress: Where learning stands, with the estimator's state.
        """


def _need_reparameterised(estimator: Estimator, binding: Binding) -> None:
    for site in binding.draws:
        if not site.reparameterised:
            raise ObjectiveError(
                f"{type(estimator).__name__} needs draws that gradients pass through; site "
                f"'{site.name}' ({site.distribution}) has none. Try gradient=ScoreFunction(), "
                "Concrete(), StraightThrough(), or for few values Enumerate()."
            )


@dataclass(frozen=True)
class Pathwise(Estimator):
    """The reparameterisation gradient: differentiate the bound through the draws.

    References:
        Auto-Encoding Variational Bayes, Diederik Kingma and Max Welling, 2013.
        https://arxiv.org/abs/1312.6114
    """

    def check(self, bound: Bound, binding: Binding) -> None:
        """Every draw of the guide must be reparameterised."""
        _need_reparameterised(self, binding)

    def tables(self, run: Callable[..., Weights], bound: Bound, binding: Binding) -> Weights:
        """Without the log-densities that a KL in closed form stands for: no score is asked for."""
        return run(closed=bound.analytic)

    def surrogate(self, bound: Bound, w: Weights, local: Tensor, shared: Tensor, *_: Any) -> Tensor:
        """The bound itself."""
        return bound.per_datum(w, local, shared)


@dataclass(frozen=True)
class StickingTheLanding(Estimator):
    """The pathwise gradient without the score of log q, whose mean is zero.

    Its variance vanishes as the guide approaches the posterior. Unbiased for averages over
    particles (ELBO), biased for log-averages of several (IWAE), where it is refused.

    References:
        Sticking the Landing, Geoffrey Roeder, Yuhuai Wu, David Duvenaud, 2017.
        https://arxiv.org/abs/1703.09194
    """

    fixed_scores = True

    def check(self, bound: Bound, binding: Binding) -> None:
        """Reparameterised draws, and a bound that averages over particles."""
        _need_reparameterised(self, binding)
        if bound.num_particles > 1 and not bound.averages:
            raise ObjectiveError(
                f"StickingTheLanding is biased for {type(bound).__name__} with "
                f"{bound.num_particles} particles (the dropped score no longer has mean zero). Try "
                "gradient=DoublyReparameterized()."
            )

    def surrogate(self, bound: Bound, w: Weights, local: Tensor, shared: Tensor, *_: Any) -> Tensor:
        """The bound, log q scored with fixed parameters."""
        return bound.per_datum(w, local, shared)


@dataclass(frozen=True)
class DoublyReparameterized(Estimator):
    """The pathwise gradient with the score of log q reparameterised once more (DReG).

    For IWAE the guide's path gradients are weighted by squared normalised weights, so that the
    signal-to-noise ratio of the guide's gradient grows with K. For one particle or an average it is
    StickingTheLanding.

    References:
        Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives, George Tucker et al.,
        2018. https://arxiv.org/abs/1810.04152
    """

    fixed_scores = True

    def check(self, bound: Bound, binding: Binding) -> None:
        """Reparameterised draws; for a log-average, some of them inside the data plate."""
        _need_reparameterised(self, binding)
        if not bound.averages and not any(site.local for site in binding.draws):
            raise ObjectiveError(
                "DoublyReparameterized weighs draws inside the data plate, and this guide has none "
                "there. Try gradient=Pathwise()."
            )

    def surrogate(self, bound: Bound, w: Weights, local: Tensor, shared: Tensor, *_: Any) -> Tensor:
        """Σ_k w̃_k log w_k with w̃ fixed; what flows back to the guide is weighted once more."""
        share = bound.shares(local.detach())
        if not bound.averages:
            w.scale_gradient(bound.path_factor(share))
        return bound.total(w, (share * local).sum(0), shared)
