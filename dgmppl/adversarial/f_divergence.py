"""f-divergences in their variational form: sup_T E_data[T] − E_draws[f*(T)]."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor

from dgmppl.adversarial.divergence import Divergence

__all__ = [
    "FDivergence",
    "KullbackLeibler",
    "Pearson",
    "ReverseKullbackLeibler",
    "SquaredHellinger",
]


@dataclass(frozen=True)
class FDivergence(Divergence):
    """∫ p_draws f(p_data / p_draws), bounded from below by any critic.

    The critic's value v, any real number, is sent to g(v), where the conjugate f* is finite.

    Arguments:
        saturating: Whether draws lower the bound itself, −f*(g(v)), or else raise g(v), which has
            the same fixed point and does not fade where draws are bad.

    References:
        f-GAN: Training Generative Neural Samplers using Variational Divergence Minimization,
        Sebastian Nowozin, Botond Cseke, Ryota Tomioka, 2016. https://arxiv.org/abs/1606.00709
    """

    saturating: bool = False

    @abstractmethod
    def activation(self, value: Tensor) -> Tensor:
        """g(v)."""

    @abstractmethod
    def conjugate(self, value: Tensor) -> Tensor:
        """f*(g(v)), as a function of v."""

    def on_data(self, value: Tensor) -> Tensor:
        """g(v)."""
        return self.activation(value)

    def on_draws(self, value: Tensor) -> Tensor:
        """−f*(g(v))."""
        return -self.conjugate(value)

    def draws_lose(self, value: Tensor) -> Tensor:
        """−f*(g(v)), or −g(v)."""
        return -self.conjugate(value) if self.saturating else -self.activation(value)

    def __str__(self) -> str:
        return f"{type(self).__name__}({'saturating=True' if self.saturating else ''})"


@dataclass(frozen=True)
class KullbackLeibler(FDivergence):
    """KL(data ‖ draws) in nats: f(u) = u log u, g(v) = v, f*(t) = exp(t − 1)."""

    def activation(self, value: Tensor) -> Tensor:
        """v."""
        return value

    def conjugate(self, value: Tensor) -> Tensor:
        """exp(v − 1)."""
        return (value - 1.0).exp()

    def log_ratio(self, value: Tensor) -> Tensor:
        """v − 1."""
        return value - 1.0

    @property
    def formula(self) -> str:
        """KL."""
        return "KL"


@dataclass(frozen=True)
class ReverseKullbackLeibler(FDivergence):
    """KL(draws ‖ data) in nats: f(u) = −log u, g(v) = −exp(−v), f*(t) = −1 − log(−t)."""

    def activation(self, value: Tensor) -> Tensor:
        """−exp(−v)."""
        return -(-value).exp()

    def conjugate(self, value: Tensor) -> Tensor:
        """v − 1."""
        return value - 1.0

    def log_ratio(self, value: Tensor) -> Tensor:
        """v."""
        return value

    @property
    def formula(self) -> str:
        """KL with its arguments the other way round."""
        return "reverse KL"


@dataclass(frozen=True)
class Pearson(FDivergence):
    """χ² = ∫ (p_data − p_draws)² / p_draws: f(u) = (u − 1)², g(v) = v, f*(t) = t²/4 + t."""

    def activation(self, value: Tensor) -> Tensor:
        """v."""
        return value

    def conjugate(self, value: Tensor) -> Tensor:
        """v²/4 + v."""
        return 0.25 * value.square() + value

    def log_ratio(self, value: Tensor) -> Tensor:
        """log(1 + v/2), −∞ where the critic says that there are no data."""
        return (1.0 + 0.5 * value).clamp(min=0.0).log()

    @property
    def formula(self) -> str:
        """χ²."""
        return "χ²"


@dataclass(frozen=True)
class SquaredHellinger(FDivergence):
    """∫ (√p_data − √p_draws)², 0 to 2: f(u) = (√u − 1)², g(v) = 1 − exp(−v), f*(t) = t/(1 − t)."""

    def activation(self, value: Tensor) -> Tensor:
        """1 − exp(−v)."""
        return -(-value).expm1()

    def conjugate(self, value: Tensor) -> Tensor:
        """exp(v) − 1."""
        return value.expm1()

    def log_ratio(self, value: Tensor) -> Tensor:
        """2 v."""
        return 2.0 * value

    @property
    def formula(self) -> str:
        """H²."""
        return "H²"
