"""What a family of guide distributions provides: a network from features to a distribution."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn

__all__ = ["Family", "at_least"]


class Family(ABC):
    """A family of distributions over real vectors, its parameters given by a network.

    A family is a frozen dataclass of settings. It is the same for every latent site; supports other
    than the real numbers are reached by a bijection afterwards.
    """

    @abstractmethod
    def head(self, features: int, size: int) -> nn.Module:
        """A network from features `[*batch, features]` to a distribution of vectors.

        Arguments:
            features: Number of features.
            size: Length of the vectors, D.

        Returns:
            A module whose value is a distribution, batch shape `[*batch]`, event shape `[size]`.
            It can score any value, its own draws or not.

        Raises:
            ValueError: If the family has no such vectors.
        """


def at_least(what: str, number: int, minimum: int, cure: str) -> None:
    """Raises ValueError where a number that a family needs is too small."""
    if number < minimum:
        raise ValueError(f"Expected {what} of at least {minimum}, got {number}. Try {cure}.")
