"""Sites and their kinds: explicit (a density), implicit (draws), energy (a weight)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pyro
import torch
from pyro.distributions import Unit
from pyro.distributions.torch_distribution import TorchDistributionMixin
from torch import Tensor

from dgmppl.data.nested import batch_length
from dgmppl.distributions import Implicit, NoDensityError

__all__ = [
    "Kind",
    "NoDensityError",
    "base_distribution",
    "data_plate",
    "implicit",
    "is_factor",
    "mean_of",
    "shown",
    "site_kind",
    "units",
]


class Kind(StrEnum):
    """What a site has, and so what an objective may ask of it."""

    EXPLICIT = "explicit"
    IMPLICIT = "implicit"
    ENERGY = "energy"


def data_plate(x: Any = None, n: int = 1) -> pyro.plate:
    """The i.i.d. axis of a program: plate "data" at dim -1.

    Arguments:
        x: The batch to score (a tensor, or a mapping or tuple of tensors that share their first
            dimension), or `None` to draw.
        n: How many data to draw when `x` is `None`.

    Example:
        >>> import torch
        >>> with data_plate(torch.zeros(5, 2)) as rows:
        ...     len(rows)
        5
    """
    return pyro.plate("data", n if x is None else batch_length(x), dim=-1)


def implicit(name: str, value: Tensor, *, event_dim: int = 1, obs: Tensor | None = None) -> Tensor:
    """A site that is drawn by a network and has no density (the generator's output of a GAN).

    Arguments:
        name: The site's name.
        value: A differentiable draw, shape `batch_shape + event_shape`.
        event_dim: How many of the rightmost dimensions form one event.
        obs: Data, of the same shape as `value`, or `None` to draw.

    Returns:
        The draw, or `obs` where it is given.
    """
    return pyro.sample(name, Implicit(value, event_dim, name), obs=obs)


def units(name: str, layer: Any, *, obs: Tensor | None = None) -> Tensor:
    """A layer of units of a program that is written as an energy.

    The energy itself is `pyro.factor("energy", -E)` over the returned states.

    Arguments:
        name: The site's name.
        layer: The kind of units, such as `Binary(500)`.
        obs: States to clamp the layer to, or `None`.

    Returns:
        The states, shape `batch_shape + [layer.size]`.
    """
    marked: Any = {"units": layer}
    return pyro.sample(name, layer.base_measure(), obs=obs, infer=marked)


def base_distribution(fn: Any) -> Any:
    """The distribution under wrappers such as `to_event`, `expand` and `mask`."""
    while isinstance(fn, TorchDistributionMixin) and hasattr(fn, "base_dist"):
        if not type(fn).__name__.startswith(("Independent", "Expanded", "Masked")):
            break
        fn = fn.base_dist
    return fn


def is_factor(site: dict[str, Any]) -> bool:
    """Whether a traced site is a `pyro.factor`."""
    return isinstance(base_distribution(site["fn"]), Unit)


def mean_of(site: dict[str, Any], name: str) -> Tensor:
    """The mean of a traced site's distribution, in the shape of its value.

    Raises:
        ValueError: If it has none.
    """
    try:
        mean = site["fn"].mean
    except NotImplementedError:
        mean = None
    if mean is None:
        raise ValueError(f"Site '{name}' has no mean. Try means=False.")
    return mean.expand(site["value"].shape)


def shown(site: dict[str, Any], value: Tensor) -> Tensor:
    """A batch-shaped tensor where a traced site's mask shows it, and 0 elsewhere."""
    if site["mask"] is False:
        return torch.zeros_like(value)
    if isinstance(site["mask"], Tensor):
        return torch.where(site["mask"], value, value.new_zeros(()))
    return value


def site_kind(site: dict[str, Any]) -> Kind:
    """The kind of a traced site."""
    if "units" in site["infer"]:
        return Kind.ENERGY
    return Kind.IMPLICIT if isinstance(base_distribution(site["fn"]), Implicit) else Kind.EXPLICIT
