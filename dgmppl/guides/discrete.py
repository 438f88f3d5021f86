"""A discrete latent site as a guide needs to know it: its kind of distribution and its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from pyro.distributions import (
    Bernoulli,
    Categorical,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
)
from torch import Tensor, nn

from dgmppl.guides.family import Family
from dgmppl.sites import base_distribution

__all__ = ["Discrete"]


@dataclass(frozen=True)
class Discrete:
    """A discrete latent site inside the data plate, its values drawn independently of each other.

    Arguments:
        name: Its name.
        kind: The class of its distribution, one of `KINDS`: the model's is the guide's.
        event_shape: Shape of one draw.
        logits_shape: Shape of the logits of one draw.

    Example:
        >>> site = Discrete.of("k", Categorical(torch.ones(2, 3)).to_event(1))
        >>> site.place(torch.zeros(5, 6)).sample().shape, site.flat(torch.tensor([[0, 2]])).long()
        (torch.Size([5, 2]), tensor([[1, 0, 0, 0, 0, 1]]))
    """

    name: str
    kind: type
    event_shape: torch.Size
    logits_shape: torch.Size

    #: The distributions that are known here.
    KINDS = (Bernoulli, Categorical, OneHotCategorical, OneHotCategoricalStraightThrough)

    @classmethod
    def of(cls, name: str, fn: Any) -> Discrete | None:
        """The site's description from its distribution in the model; `None` for other kinds."""
        base = base_distribution(fn)
        if type(base) not in cls.KINDS:
            return None
        choices = base.probs.shape[-1:] if type(base) is Categorical else ()
        return cls(name, type(base), fn.event_shape, torch.Size((*fn.event_shape, *choices)))

    @property
    def size(self) -> int:
        """How many numbers a draw is to the sites that see it: categories count one by one."""
        return self.logits_shape.numel()

    def head(self, family: Family, features: int) -> nn.Module:
        """A network from features to logits; a family of densities has no say here."""
        return nn.Linear(features, self.size)

    def flat(self, value: Tensor) -> Tensor:
        """`[*batch, *event]` → `[*batch, size]`: zeros and ones."""
        batch = value.shape[: value.dim() - len(self.event_shape)]
        if self.kind is Categorical:
            value = value[..., None] == torch.arange(self.logits_shape[-1], device=value.device)
        return value.reshape(*batch, self.size)

    def place(self, logits: Tensor) -> Any:
        """Logits `[*batch, size]` as a distribution of this site's values."""
        fn = self.kind(logits=logits.reshape(*logits.shape[:-1], *self.logits_shape))
        return fn.to_event(len(self.event_shape) - len(fn.event_shape))
