"""What a critic tells data and draws apart by, and what it says about their distance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

__all__ = ["Divergence"]


@dataclass(frozen=True)
class Divergence(ABC):
    """A game between a critic T, high on data and low on draws, and the players that T judges.

    The critic raises E_data[on_data(T)] + E_draws[on_draws(T)]. Those whose values are draws lower
    E_draws[draws_lose(T)], and those whose values stand beside the data (a guide) lower
    E_data[data_lose(T)]. All four are functions of single values.
    """

    @abstractmethod
    def on_data(self, value: Tensor) -> Tensor:
        """What the critic gains where it says `value` of data."""

    @abstractmethod
    def on_draws(self, value: Tensor) -> Tensor:
        """What the critic gains where it says `value` of draws."""

    def draws_lose(self, value: Tensor) -> Tensor:
        """What draws lose at `value`; by default the critic's gain."""
        return self.on_draws(value)

    def data_lose(self, value: Tensor) -> Tensor:
        """What the values beside the data lose; by default the critic's gain."""
        return self.on_data(value)

    def estimate(self, gain: Tensor) -> Tensor:
        """The divergence that a critic's gain stands for; a best critic's is the divergence."""
        return gain

    def log_ratio(self, value: Tensor) -> Tensor:
        """log p_data − log p_draws where a best critic says `value`.

        Raises:
            NotImplementedError: Where the best critic does not tell it.
        """
        raise NotImplementedError(
            f"{self} has no critic that tells the ratio of densities. Try JensenShannon()."
        )

    @property
    @abstractmethod
    def formula(self) -> str:
        """Its name in formulas, such as "JS"."""

    def __str__(self) -> str:
        return f"{type(self).__name__}()"
