"""The parameters of a distribution as unconstrained numbers, and the distribution at others."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pyro.distributions import TransformedDistribution
from torch import Tensor
from torch.distributions import Transform, transform_to

__all__ = ["all_free", "free_parameters", "moved"]

# Of the ways in which a distribution can be given the latter one is taken.
INSTEAD = {
    "covariance_matrix": "scale_tril",
    "precision_matrix": "scale_tril",
    "probs": "logits",
}


def free_parameters(fn: Any) -> dict[str, Tensor]:
    """A distribution's own parameters, unconstrained.

    Of a transformed distribution they are those of its base: the parameters of a bijection lie out
    of reach.

    Arguments:
        fn: A distribution.

    Returns:
        Parameter → value; empty where none is known.

    Example:
        >>> import torch
        >>> from pyro.distributions import LogNormal, Normal
        >>> free_parameters(Normal(torch.zeros(2), 1.0).to_event(1))
        {'loc': tensor([0., 0.]), 'scale': tensor([0., 0.])}
    """
    found = _parameters(_inmost(fn))
    return {name: via.inv(value) for name, value, via in found if via is not None}


def moved(fn: Any, amounts: Mapping[str, Tensor]) -> Any:
    """The distribution whose unconstrained parameters differ by amounts.

    Arguments:
        fn: A distribution.
        amounts: What is added to some of `free_parameters`.

    Example:
        >>> import torch
        >>> from pyro.distributions import Gamma
        >>> moved(Gamma(2.0, 1.0), {"rate": torch.tensor(1.0)}).rate
        tensor(2.7183)
    """
    if type(fn).__name__ == "Independent":
        return moved(fn.base_dist, amounts).to_event(fn.reinterpreted_batch_ndims)
    if type(fn).__name__ == "MaskedDistribution":
        return moved(fn.base_dist, amounts).mask(fn._mask)
    if _transformed(fn):
        return TransformedDistribution(moved(fn.base_dist, amounts), fn.transforms)
    values = {
        name: via(via.inv(value) + amounts[name]) if via and name in amounts else value
        for name, value, via in _parameters(fn)
    }
    return type(fn)(**values)


def all_free(fn: Any) -> bool:
    """Whether `free_parameters` are all that a distribution has: not so for a flow.

    Example:
        >>> import torch
        >>> from pyro.distributions import LogNormal
        >>> all_free(LogNormal(torch.zeros(2), 1.0).to_event(1))
        True
    """
    if type(fn).__name__ in ("Independent", "MaskedDistribution"):
        return all_free(fn.base_dist)
    if _transformed(fn):
        return not any(map(_learned, fn.transforms)) and all_free(fn.base_dist)
    return all(via is not None for *_, via in _parameters(fn))


def _learned(transform: Transform) -> bool:
    """Whether a bijection is none of PyTorch's own, which lead to supports."""
    parts = getattr(transform, "parts", None) or getattr(transform, "base_transform", None)
    if parts is not None:
        return any(map(_learned, parts if isinstance(parts, list) else [parts]))
    return not type(transform).__module__.startswith("torch.")


def _inmost(fn: Any) -> Any:
    """The distribution under wrappers and bijections."""
    while type(fn).__name__ in ("Independent", "MaskedDistribution") or _transformed(fn):
        fn = fn.base_dist
    return fn


def _transformed(fn: Any) -> bool:
    """Whether a distribution consists of a base and bijections (PyTorch's or Pyro's class)."""
    return hasattr(fn, "transforms") and hasattr(fn, "base_dist")


def _parameters(fn: Any) -> list[tuple[str, Tensor, Transform | None]]:
    """What a distribution is made of, with transforms from unconstrained parameters.

    Empty where it needs more than its class declares.
    """
    arguments = inspect.signature(type(fn).__init__).parameters
    names = [n for n in fn.arg_constraints if n in arguments]
    names = [n for n in names if INSTEAD.get(n) not in names]
    needed = [n for n, a in arguments.items() if a.default is a.empty and n != "self"]
    if any(n not in names for n in needed):
        return []
    return [(n, getattr(fn, n), _transform(fn.arg_constraints[n])) for n in names]


def _transform(constraint: Any) -> Transform | None:
    """From unconstrained parameters, `None` if there is none (whole numbers)."""
    try:
        return transform_to(constraint)
    except NotImplementedError:
        return None
