"""A latent site as a guide needs to know it: its name, shape and support."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from pyro.distributions import Independent, Normal, TransformedDistribution
from pyro.distributions.transforms import ReshapeTransform
from torch import Tensor, nn
from torch.distributions import Transform, biject_to, constraints
from torch.distributions.constraints import Constraint

from dgmppl.guides.family import Family
from dgmppl.site_checks import ProgramError
from dgmppl.sites import base_distribution

__all__ = ["Latent"]


@dataclass(frozen=True)
class Latent:
    """A continuous latent site inside the data plate.

    Arguments:
        name: Its name.
        event_shape: Shape of one draw.
        support: Where its values lie, the same for every datum.

    Example:
        >>> latent = Latent("z", torch.Size([2]), constraints.simplex)
        >>> latent.size
        1
    """

    name: str
    event_shape: torch.Size
    support: Constraint

    @classmethod
    def of(cls, name: str, fn: Any) -> Latent:
        """The site's description from its distribution in the model.

        Raises:
            ProgramError: If its support is unknown, discrete, or differs from datum to datum.
        """
        support = _known(name, fn)
        if support.is_discrete:
            raise ProgramError(
                f"Site '{name}' ({type(base_distribution(fn)).__name__}) is discrete, and a guide "
                "of its kind is not known here. Expected a continuous site, or a Bernoulli, "
                "Categorical or OneHotCategorical one. Try sites=[…] without it and a guide of "
                "your own for it in Beside(…), or summing it out in the model."
            )
        return cls(name, fn.event_shape, _constant(name, support))

    @cached_property
    def bijection(self) -> Transform | None:
        """From unconstrained values to the support; `None` where they are the same."""
        inner = self.support
        while isinstance(inner, constraints.independent):
            inner = inner.base_constraint
        return None if isinstance(inner, type(constraints.real)) else _to(self)

    @cached_property
    def unconstrained_shape(self) -> torch.Size:
        """Shape of one unconstrained draw."""
        shape = self.event_shape
        return shape if self.bijection is None else self.bijection.inverse_shape(shape)

    @property
    def size(self) -> int:
        """How many numbers an unconstrained draw has."""
        return self.unconstrained_shape.numel()

    def head(self, family: Family, features: int) -> nn.Module:
        """A network from features to a distribution of unconstrained vectors."""
        try:
            return family.head(features, self.size)
        except ValueError as error:
            name = type(family).__name__
            raise ValueError(f"Latent site '{self.name}', {name}: {error}") from None

    def flat(self, value: Tensor) -> Tensor:
        """`[*batch, *event]` → the unconstrained vectors `[*batch, size]`."""
        if self.bijection is not None:
            value = self.bijection.inv(value)
        batch = value.shape[: value.dim() - len(self.unconstrained_shape)]
        return value.reshape(*batch, self.size)

    def place(self, fn: Any) -> Any:
        """A distribution of unconstrained vectors `[size]` as one of this site's values."""
        shape = self.unconstrained_shape
        reshaped = shape != fn.event_shape
        if reshaped and isinstance(fn, Independent) and isinstance(fn.base_dist, Normal):
            batch, normal = fn.batch_shape, fn.base_dist  # keeps its closed-form KL
            loc, scale = (t.reshape(batch + shape) for t in (normal.loc, normal.scale))
            fn, reshaped = type(normal)(loc, scale).to_event(len(shape)), False
        steps = [ReshapeTransform(torch.Size([self.size]), shape, cache_size=1)] if reshaped else []
        if self.bijection is not None:
            steps.append(self.bijection.with_cache(1))  # a fresh one: draws are scored as drawn
        return TransformedDistribution(fn, steps) if steps else fn


def _known(name: str, fn: Any) -> Constraint:
    try:
        return fn.support
    except NotImplementedError as error:
        raise ProgramError(
            f"Site '{name}' ({type(fn).__name__}) does not say where its values lie. Try an "
            "explicit prior, or sites=[…] without it and a guide of your own in Beside(…)."
        ) from error


def _to(latent: Latent) -> Transform:
    try:
        return biject_to(latent.support)
    except NotImplementedError as error:
        raise ProgramError(
            f"Site '{latent.name}' has support {latent.support}, which no bijection from the real "
            "numbers is known for. Try sites=[…] without it and a guide of your own in Beside(…)."
        ) from error


def _constant(name: str, support: Constraint) -> Constraint:
    """The support with bounds that are numbers, however the example spelt them out per datum."""
    result = copy.copy(support)
    for key, value in vars(support).items():
        if isinstance(value, Constraint):
            setattr(result, key, _constant(name, value))
        elif isinstance(value, Tensor):
            if value.requires_grad or (value != value.flatten()[0]).any():
                raise ProgramError(
                    f"Site '{name}' has a support whose bounds are learned or differ from datum to "
                    "datum. Expected one support for all. Try a fixed support in the model that is "
                    "shifted and scaled afterwards."
                )
            setattr(result, key, value.flatten()[0].item())
    return result
