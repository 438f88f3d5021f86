"""Gradients through discrete draws by smooth stand-ins: biased, of low variance."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyro.distributions import (
    Bernoulli,
    OneHotCategorical,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
)
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.distributions import StraightThroughBernoulli, StraightThroughOneHotCategorical
from dgmppl.handlers import Exchange
from dgmppl.objectives.estimators import Estimator
from dgmppl.objectives.objective import ObjectiveError
from dgmppl.weights import Weights

if TYPE_CHECKING:
    from dgmppl.objectives.bound import Bound

__all__ = ["Concrete", "Relaxed", "StraightThrough"]

RELAXABLE = ("Bernoulli", "OneHotCategorical")


@dataclass(frozen=True)
class Relaxed(Estimator):
    """What estimators share that exchange discrete distributions in model and guide.

    Arguments:
        temperature: Of the stand-ins. Low is near to discrete, of high variance.
    """

    temperature: float = 0.5

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"Expected a temperature above 0, got {self.temperature}. Try 0.5.")

    @abstractmethod
    def relaxed(self, fn: Any) -> Any | None:
        """The stand-in of a distribution; `None` keeps it."""

    def check(self, bound: Bound, binding: Binding) -> None:
        """Every draw is reparameterised or has a stand-in."""
        for site in binding.draws:
            if not site.reparameterised and site.distribution not in RELAXABLE:
                raise ObjectiveError(
                    f"{type(self).__name__} has no smooth stand-in for site '{site.name}' "
                    f"({site.distribution}). Try OneHotCategorical or Bernoulli in the program, or "
                    "gradient=ScoreFunction()."
                )
            self._refuse_rough(site.name, binding)
        if all(site.reparameterised for site in binding.draws):
            raise ObjectiveError(
                f"{type(self).__name__} is for discrete draws, and every draw of this guide passes "
                "gradients. Try gradient=Pathwise()."
            )

    def _refuse_rough(self, name: str, binding: Binding) -> None:
        """A density that looks at a draw and yet passes no gradient to it would bias in silence."""
        known = binding.dependencies
        for seen, smooth in ((known.model, known.smooth_model), (known.guide, known.smooth_guide)):
            for other, sites in seen.items():
                if other != name and name in sites and name not in smooth[other]:
                    raise ObjectiveError(
                        f"{type(self).__name__} needs densities that depend smoothly on site "
                        f"'{name}'; that of '{other}' reads it by an index, a comparison or in "
                        "Python. Try products, such as one_hot @ table, or "
                        "gradient=ScoreFunction()."
                    )

    def tables(self, run: Callable[..., Weights], bound: Bound, binding: Binding) -> Weights:
        """The tables of the relaxed program."""
        return run(handlers=(Exchange(self.relaxed), *run.keywords["handlers"]))  # type: ignore[attr-defined]

    def surrogate(self, bound: Bound, w: Weights, local: Tensor, shared: Tensor, *_: Any) -> Tensor:
        """The bound of the relaxed program."""
        return bound.per_datum(w, local, shared)


@dataclass(frozen=True)
class Concrete(Relaxed):
    """Discrete sites become concrete ones, in model and guide: the bound of a relaxed program.

    The program must take numbers between its discrete values. What is reported is the bound of the
    program itself, from draws of its own.

    Arguments:
        temperature: Of both relaxations.

    References:
        The Concrete Distribution, Chris Maddison, Andriy Mnih, Yee Whye Teh, 2016.
        https://arxiv.org/abs/1611.00712
        Categorical Reparameterization with Gumbel-Softmax, Eric Jang, Shixiang Gu, Ben Poole, 2016.
        https://arxiv.org/abs/1611.01144
    """

    def relaxed(self, fn: Any) -> Any | None:
        """A concrete distribution with the same logits."""
        temperature = fn.logits.new_tensor(self.temperature) if hasattr(fn, "logits") else None
        if isinstance(fn, Bernoulli):
            return RelaxedBernoulli(temperature, logits=fn.logits)
        if isinstance(fn, OneHotCategorical):
            return RelaxedOneHotCategorical(temperature, logits=fn.logits)
        return None

    def reported(self, run: Callable[..., Weights], w: Weights) -> Weights:
        """The tables of the program itself."""
        return run()


@dataclass(frozen=True)
class StraightThrough(Relaxed):
    """Draws stay discrete, and pass on the gradient of the relaxed draw behind them.

    The reported value is the bound of the program itself, from the same draws. The program must
    depend smoothly on its discrete values: products and networks, not comparisons or indices.

    Arguments:
        temperature: Of the relaxed draws.

    References:
        Estimating or Propagating Gradients Through Stochastic Neurons for Conditional Computation,
        Yoshua Bengio, Nicholas Léonard, Aaron Courville, 2013. https://arxiv.org/abs/1308.3432
    """

    temperature: float = 1.0

    def relaxed(self, fn: Any) -> Any | None:
        """The same distribution with straight-through draws."""
        if isinstance(fn, Bernoulli):
            return StraightThroughBernoulli(self.temperature, logits=fn.logits)
        if isinstance(fn, OneHotCategorical):
            return StraightThroughOneHotCategorical(self.temperature, logits=fn.logits)
        return None
