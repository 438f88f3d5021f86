"""Layers of units for programs that are written as an energy."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.nn.functional import softplus

from dgmppl.energy.field import Field
from dgmppl.site_checks import ProgramError

__all__ = ["Binary", "Categorical", "Counts", "Gaussian", "Real", "Spins", "Units"]


@dataclass(frozen=True)
class Units(ABC):
    """A layer of units of one kind, each independent of the others given the other layers.

    Arguments:
        size: Number of units.
    """

    size: int

    #: Whether the energy may, and must, be quadratic in the states.
    quadratic = False

    #: Whether states are real numbers.
    real = False

    #: Whether the energy may be any function of the states: no conditional is derived then.
    free = False

    #: What values a unit may take, in words.
    values = ""

    #: What to try where data have others.
    cure = "Try other units."

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"Expected at least one unit, got {self.size}. Try 1.")

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of one state of the layer."""
        return (self.size,)

    @property
    def event_dim(self) -> int:
        """Its number of dimensions."""
        return len(self.event_shape)

    @abstractmethod
    def base_measure(self) -> TorchDistribution:
        """Draws initial states and adds nothing to the log-density, shape `event_shape`."""

    @abstractmethod
    def draw(self, field: Field) -> Tensor:
        """States drawn from the conditional under a field."""

    @abstractmethod
    def mean(self, field: Field) -> Tensor:
        """The mean of that conditional."""

    @abstractmethod
    def log_partition(self, field: Field) -> Tensor:
        """log of the sum (or integral) over the layer's states of exp of the field's log-factor.

        Returns:
            Summed over units, `[*batch]`.
        """

    @abstractmethod
    def field_of(self, data: Tensor) -> Tensor:
        """A field under which independent units have about the means of data.

        Arguments:
            data: States `[N, *event_shape]`.

        Returns:
            `[1, *event_shape]`; half a datum is added for each value, so that none is impossible.
        """

    @abstractmethod
    def inside(self, batch: int) -> Tensor:
        """Random points between the states, `[batch, *event_shape]`."""

    @abstractmethod
    def fits(self, value: Tensor) -> Tensor:
        """Where values are states, a boolean tensor that broadcasts to theirs."""

    def log_base(self, value: Tensor) -> Tensor:
        """The base measure's logarithm at states, `[*batch]`."""
        return value.new_zeros(value.shape[: value.dim() - self.event_dim])

    def number(self) -> float:
        """How many states the layer has."""
        return math.inf

    def states(self, ranks: Tensor) -> Tensor:
        """The states of some ranks from 0, `[n] → [n, *event_shape]`; finite layers have it."""
        raise NotImplementedError(f"{self} has no list of states")


@dataclass(frozen=True)
class Binary(Units):
    """A layer of 0/1 units with the counting measure as base.

    Arguments:
        size: Number of units.

    Example:
        >>> Binary(3).base_measure().sample().shape
        torch.Size([3])
    """

    values = "0 or 1"
    cure = "Try load(…, pixels=DynamicBinarisation()), or Gaussian units for grey values."

    def base_measure(self) -> TorchDistribution:
        """Draws fair coins."""
        return dist.Bernoulli(logits=torch.zeros(self.size)).to_event(1).mask(False)

    def draw(self, field: Field) -> Tensor:
        """Coins of these log-odds."""
        return _coins(field.linear.sigmoid())

    def mean(self, field: Field) -> Tensor:
        """σ(field)."""
        return field.linear.sigmoid()

    def log_partition(self, field: Field) -> Tensor:
        """Σ log(1 + e^field)."""
        return softplus(field.linear).sum(-1)

    def field_of(self, data: Tensor) -> Tensor:
        """Log-odds."""
        return ((data.sum(0, keepdim=True) + 0.5) / (len(data) + 1)).logit()

    def inside(self, batch: int) -> Tensor:
        """Uniform between 0 and 1."""
        return torch.rand(batch, self.size)

    def fits(self, value: Tensor) -> Tensor:
        """0 and 1."""
        return (value == 0) | (value == 1)

    def number(self) -> float:
        """Two a unit."""
        return 2.0**self.size

    def states(self, ranks: Tensor) -> Tensor:
        """Binary digits, the first unit's the lowest."""
        return ((ranks[:, None] >> torch.arange(self.size)) & 1).to(torch.get_default_dtype())


@dataclass(frozen=True)
class Spins(Units):
    """A layer of −1/+1 units with the counting measure as base.

    Arguments:
        size: Number of units.
    """

    values = "-1 or 1"

    def base_measure(self) -> TorchDistribution:
        """Draws signs."""
        coins = dist.Bernoulli(logits=torch.zeros(self.size))
        signs = dist.TransformedDistribution(coins, [dist.transforms.AffineTransform(-1.0, 2.0)])
        return signs.to_event(1).mask(False)

    def draw(self, field: Field) -> Tensor:
        """Signs of log-odds twice the field."""
        return 2 * _coins((2 * field.linear).sigmoid()) - 1

    def mean(self, field: Field) -> Tensor:
        """tanh(field)."""
        return field.linear.tanh()

    def log_partition(self, field: Field) -> Tensor:
        """Σ log(e^field + e^−field)."""
        return (softplus(2 * field.linear) - field.linear).sum(-1)

    def field_of(self, data: Tensor) -> Tensor:
        """Half the log-odds of +1."""
        return Binary(self.size).field_of((data + 1) / 2) / 2

    def inside(self, batch: int) -> Tensor:
        """Uniform between −1 and 1."""
        return 2 * torch.rand(batch, self.size) - 1

    def fits(self, value: Tensor) -> Tensor:
        """−1 and 1."""
        return value.abs() == 1

    def number(self) -> float:
        """Two a unit."""
        return 2.0**self.size

    def states(self, ranks: Tensor) -> Tensor:
        """Signs, the first unit's the fastest."""
        return 2 * Binary(self.size).states(ranks) - 1


@dataclass(frozen=True)
class Categorical(Units):
    """A layer of units of K values each, a state being one-hot rows `[size, K]`.

    Arguments:
        size: Number of units.
        classes: K.

    Example:
        >>> Categorical(1, classes=10).event_shape
        (1, 10)
    """

    classes: int = 2

    values = "one-hot rows"
    cure = "Try torch.nn.functional.one_hot(labels, classes)."

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Units by values."""
        return (self.size, self.classes)

    def base_measure(self) -> TorchDistribution:
        """Draws every value alike."""
        logits = torch.zeros(self.size, self.classes)
        return dist.OneHotCategorical(logits=logits).to_event(1).mask(False)

    def draw(self, field: Field) -> Tensor:
        """A value of each unit, one-hot."""
        rows = field.linear.softmax(-1).reshape(-1, self.classes)
        chosen = torch.multinomial(rows, 1).reshape(field.linear.shape[:-1])
        return self._one_hot(chosen).to(field.linear)

    def mean(self, field: Field) -> Tensor:
        """softmax(field)."""
        return field.linear.softmax(-1)

    def log_partition(self, field: Field) -> Tensor:
        """Σ log Σ_k e^field_k."""
        return field.linear.logsumexp(-1).sum(-1)

    def field_of(self, data: Tensor) -> Tensor:
        """Log-probabilities."""
        return (data.sum(0, keepdim=True) + 0.5).log()

    def inside(self, batch: int) -> Tensor:
        """Uniform on the simplices."""
        return dist.Dirichlet(torch.ones(self.classes)).sample((batch, self.size))

    def fits(self, value: Tensor) -> Tensor:
        """One 1 and zeros."""
        return ((value == 0) | (value == 1)) & (value.sum(-1, keepdim=True) == 1)

    def number(self) -> float:
        """K a unit."""
        return float(self.classes) ** self.size

    def states(self, ranks: Tensor) -> Tensor:
        """Digits of base K, one-hot, the first unit's the lowest."""
        digits = ranks[:, None] // self.classes ** torch.arange(self.size) % self.classes
        return self._one_hot(digits).to(torch.get_default_dtype())

    def _one_hot(self, chosen: Tensor) -> Tensor:
        return chosen[..., None] == torch.arange(self.classes, device=chosen.device)


@dataclass(frozen=True)
class Gaussian(Units):
    """A layer of real units with the Lebesgue measure as base.

    The energy holds their quadratic term, such as ½ ((v − b) / σ)²: its variance may be learned.

    Arguments:
        size: Number of units.
    """

    quadratic = real = True
    values = "finite numbers"

    def base_measure(self) -> TorchDistribution:
        """Draws standard normal numbers."""
        return dist.Normal(torch.zeros(self.size), 1.0).to_event(1).mask(False)

    def draw(self, field: Field) -> Tensor:
        """Normal numbers of precision −∂²."""
        assert field.curvature is not None
        noise = torch.randn_like(field.linear)
        return self.mean(field) + noise * field.curvature.rsqrt()

    def mean(self, field: Field) -> Tensor:
        """linear / curvature."""
        assert field.curvature is not None
        return field.linear / field.curvature

    def log_partition(self, field: Field) -> Tensor:
        """Σ ½ linear² / curvature + ½ log(2π / curvature)."""
        assert field.curvature is not None
        square = field.linear.square() / field.curvature
        return 0.5 * (square + math.log(2 * math.pi) - field.curvature.log()).sum(-1)

    def field_of(self, data: Tensor) -> Tensor:
        """Mean over variance."""
        return data.mean(0, keepdim=True) / data.var(0, keepdim=True).clamp(min=1e-6)

    def inside(self, batch: int) -> Tensor:
        """Standard normal."""
        return torch.randn(batch, self.size)

    def fits(self, value: Tensor) -> Tensor:
        """Finite."""
        return torch.isfinite(value)


@dataclass(frozen=True)
class Real(Gaussian):
    """A layer of real units with the Lebesgue measure as base, and any energy: a network's, say.

    It has no conditional in closed form: `Langevin` and `HMC` move it.

    Arguments:
        size: Number of units.
    """

    quadratic = False
    free = True

    def draw(self, field: Field) -> Tensor:
        """Refused."""
        raise _no_conditional()

    def mean(self, field: Field) -> Tensor:
        """Refused."""
        raise _no_conditional()

    def log_partition(self, field: Field) -> Tensor:
        """Refused."""
        raise _no_conditional()


def _no_conditional() -> ProgramError:
    return ProgramError(
        "Real units have no conditional or integral in closed form. Try Langevin() or HMC() moves, "
        "and Gaussian units where the energy is quadratic in them."
    )


@dataclass(frozen=True)
class Counts(Units):
    """How often each word of a vocabulary stands in a document, whose length is given.

    A document's words are drawn one by one, so that the base measure of counts n is the number of
    documents with these counts, N! / Π n_k!; a move keeps N.

    Arguments:
        size: Size of the vocabulary.
        longest: The most words that a document may have.
    """

    longest: int = 1000

    values = "whole numbers from 0, with at most `longest` in all"
    cure = "Try counts of words, and Counts(…, longest=…) of the longest document."

    def base_measure(self) -> TorchDistribution:
        """Draws documents of the greatest length, every word alike."""
        even = dist.Multinomial(self.longest, logits=torch.zeros(self.size), validate_args=False)
        return even.mask(False)

    def draw(self, field: Field) -> Tensor:
        """As many words as the present state has, each by softmax(field)."""
        rows = field.linear.softmax(-1).reshape(-1, self.size)
        lengths = field.state.sum(-1).reshape(-1, 1)
        words = torch.multinomial(rows, self.longest, replacement=True)
        kept = (torch.arange(self.longest, device=words.device) < lengths).to(rows)
        drawn = torch.zeros_like(rows).scatter_add(1, words, kept)
        return drawn.reshape(field.linear.shape)

    def mean(self, field: Field) -> Tensor:
        """N softmax(field)."""
        return field.state.sum(-1, keepdim=True) * field.linear.softmax(-1)

    def log_partition(self, field: Field) -> Tensor:
        """N log Σ_k e^field_k."""
        return field.state.sum(-1) * field.linear.logsumexp(-1)

    def log_base(self, value: Tensor) -> Tensor:
        """log N! / Π n_k!."""
        return (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1)

    def field_of(self, data: Tensor) -> Tensor:
        """Log-probabilities of words."""
        return (data.sum(0, keepdim=True) + 0.5).log().log_softmax(-1)

    def inside(self, batch: int) -> Tensor:
        """Documents of fractions of words."""
        return self.longest * dist.Dirichlet(torch.ones(self.size)).sample((batch,))

    def fits(self, value: Tensor) -> Tensor:
        """Whole numbers whose sum is not too great."""
        whole = (value >= 0) & (value == value.round())
        return whole & (value.sum(-1, keepdim=True) <= self.longest)


def _coins(p: Tensor) -> Tensor:
    """1 with probability p, else 0: by one comparison, at a third of `torch.bernoulli`'s time."""
    return (torch.rand_like(p) < p).to(p)
