"""Score-function gradients: no derivative passes through the draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from dgmppl.binding import Binding
from dgmppl.objectives.baselines import Baseline, LeaveOneOut
from dgmppl.objectives.credit import Credit, credits_of_average
from dgmppl.objectives.estimators import Estimator
from dgmppl.objectives.objective import ObjectiveError, Progress
from dgmppl.weights import Weights

if TYPE_CHECKING:
    from dgmppl.objectives.bound import Bound

__all__ = ["ScoreFunction", "Scored"]


@dataclass(frozen=True)
class Scored(Estimator):
    """What estimators share that multiply the scores of draws with rewards.

    Arguments:
        everywhere: Whether reparameterised sites are treated so, too.
    """

    everywhere: bool = True

    def stopped(self, binding: Binding) -> tuple[str, ...]:
        """The sites that are scored; they pass no path gradient."""
        draws = binding.draws
        return tuple(s.name for s in draws if self.everywhere or not s.reparameterised)

    def signal(self, bound: Bound, local: Tensor) -> Tensor:
        """What each particle of a log-average gave, from the log-weights: `[K, B]` or `[1, B]`."""
        return bound.gain(local)

    def expected(
        self, credit: Credit, x: Any, progress: Progress | None
    ) -> tuple[Tensor | float, Tensor | float]:
        """What a reward is measured against, and the loss that teaches it."""
        return 0.0, 0.0

    def surrogate(
        self,
        bound: Bound,
        w: Weights,
        local: Tensor,
        shared: Tensor,
        x: Any = None,
        progress: Progress | None = None,
    ) -> Tensor:
        """The bound, and each draw's log q times what the draw gave."""
        total = bound.per_datum(w, local, shared)
        names = [name for name in self.stopped(w.binding) if name in w.log_q]
        if bound.averages:
            found = credits_of_average(w, names, bound.closed(w))
        else:
            found = self._credits_of_log_average(bound, w, local.detach(), shared.detach(), names)
        for credit in found:
            expected, loss = self.expected(credit, x, progress)
            total = total + credit.advantage(expected) - loss
        return total

    def _credits_of_log_average(
        self, bound: Bound, w: Weights, local: Tensor, shared: Tensor, names: list[str]
    ) -> Iterator[Credit]:
        """All particles of a datum earn its bound; a global draw earns that of all data."""
        joint = bound.joint(w.binding)
        signal = self.signal(bound, local)
        for name in names:
            score = w.log_q[name]
            if w.is_local(name):
                yield Credit(name, score, signal, 1 / w.batch, -1)
            elif joint:
                yield Credit(name, score, signal, 1 / w.size, None)
            else:
                whole = bound.reduce(local).mean() + shared / w.size
                yield Credit(name, score, whole, 1 / len(score), None)


@dataclass(frozen=True)
class ScoreFunction(Scored):
    """The score-function gradient (REINFORCE): draws weighted by what they gave.

    A draw is rewarded by those terms of an average (ELBO) that it can have changed, in its own
    slice of every plate: what the look at the program found of its dependencies. In a log-average
    it is rewarded by the bound of its datum.

    Arguments:
        everywhere: Whether reparameterised sites are treated so, too. A bound that chooses by
            itself scores the other sites only.
        baseline: `MovingAverage()`, `InputDependent()` (NVIL), `LeaveOneOut()`, or `None`.

    References:
        Simple Statistical Gradient-Following Algorithms, Ronald Williams, 1992.
        https://doi.org/10.1007/BF00992696
        Gradient Estimation Using Stochastic Computation Graphs, John Schulman et al., 2015.
        https://arxiv.org/abs/1506.05254
    """

    baseline: Baseline | None = None

    def check(self, bound: Bound, binding: Binding) -> None:
        """Sound for every guide with a density."""
        if bound.averages and bound.chunk_size is not None:
            raise ObjectiveError(
                "ScoreFunction rewards draws by single terms, which chunks of particles do not "
                "keep. Try fewer particles without chunk_size, or IWAE(…, gradient=VIMCO())."
            )
        alone = bound.num_particles < 2 or not bound.averages
        if isinstance(self.baseline, LeaveOneOut) and alone:
            raise ObjectiveError(
                f"LeaveOneOut compares particles that are averaged; {type(bound).__name__} with "
                f"{bound.num_particles} has none to compare. Try ELBO(num_particles=5), or "
                "gradient=VIMCO() for a log-average."
            )

    @property
    def roles(self) -> tuple[str, ...]:  # type: ignore[override]
        """The baseline's."""
        return ("baseline",) if self.baseline else ()

    def state(self, binding: Binding, x: Any) -> nn.Module | None:
        """What the baseline keeps."""
        return self.baseline.state(self.stopped(binding), x) if self.baseline else None

    def expected(
        self, credit: Credit, x: Any, progress: Progress | None
    ) -> tuple[Tensor | float, Tensor | float]:
        """What a reward is measured against, and the loss that teaches it."""
        kept = progress.state if progress else None
        if isinstance(self.baseline, LeaveOneOut):
            kept = self.baseline.state((), x)
        return (0.0, 0.0) if kept is None else kept(credit.name, credit.table, x)
