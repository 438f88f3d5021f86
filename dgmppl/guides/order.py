"""In what order a guide draws a model's latent sites, and what each draw sees of the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Autoregressive", "BottomUp", "Order", "TopDown"]


class Order(ABC):
    """A factorisation of q(latents | x); every factor sees the features of x."""

    @abstractmethod
    def parents(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """What each site sees beside the features, in the order of drawing.

        Arguments:
            names: The latent sites in the model's order.

        Returns:
            Site → the sites drawn before it that it sees.
        """


@dataclass(frozen=True)
class BottomUp(Order):
    """From the latent site next to the data upwards, each seeing the one drawn before it.

    For a model p(z₂) p(z₁|z₂) p(x|z₁) this is q(z₁|x) q(z₂|z₁, x).

    References:
        Stochastic Backpropagation and Approximate Inference in Deep Generative Models, Danilo
        Rezende, Shakir Mohamed, Daan Wierstra, 2014. https://arxiv.org/abs/1401.4082

    Example:
        >>> BottomUp().parents(["z2", "z1"])
        {'z1': (), 'z2': ('z1',)}
    """

    def parents(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """What each site sees beside the features, in the order of drawing."""
        return _chain(names[::-1])


@dataclass(frozen=True)
class TopDown(Order):
    """In the model's order, each seeing the one drawn before it.

    For a model p(z₂) p(z₁|z₂) p(x|z₁) this is q(z₂|x) q(z₁|z₂, x), and for that model it can be the
    exact factorisation of the posterior.

    References:
        Ladder Variational Autoencoders, Casper Kaae Sønderby et al., 2016.
        https://arxiv.org/abs/1602.02282

    Example:
        >>> TopDown().parents(["z2", "z1"])
        {'z2': (), 'z1': ('z2',)}
    """

    def parents(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """What each site sees beside the features, in the order of drawing."""
        return _chain(names)


@dataclass(frozen=True)
class Autoregressive(Order):
    """In the model's order, each seeing all that were drawn before it: no independence assumed.

    Example:
        >>> Autoregressive().parents(["a", "b", "c"])
        {'a': (), 'b': ('a',), 'c': ('a', 'b')}
    """

    def parents(self, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """What each site sees beside the features, in the order of drawing."""
        return {name: tuple(names[:index]) for index, name in enumerate(names)}


def _chain(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(names[max(index - 1, 0) : index]) for index, name in enumerate(names)}
