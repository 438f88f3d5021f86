"""Give latent sites values that lie anywhere in ℝⁿ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyro.distributions.util import sum_rightmost
from pyro.poutine.messenger import Messenger
from torch import Tensor
from torch.distributions import Transform, biject_to

__all__ = ["Unconstrained", "bijection", "free_event_dim"]


class Unconstrained(Messenger):
    """Sets unobserved sites to the images of unconstrained values under a bijection.

    The bijection is that of the site's support in this run: it may depend on the sites before.

    Arguments:
        free: Site name → unconstrained value.

    Attributes:
        log_det: Site name → log |∂z/∂u| of its value, in the site's batch shape.

    Example:
        >>> import pyro, torch
        >>> from pyro.distributions import Exponential
        >>> with Unconstrained({"z": torch.zeros(2)}) as placed:
        ...     pyro.sample("z", Exponential(torch.ones(2)))
        tensor([1., 1.])
        >>> placed.log_det["z"]
        tensor([0., 0.])
    """

    def __init__(self, free: Mapping[str, Tensor]):
        super().__init__()
        self.free = free
        self.log_det: dict[str, Tensor] = {}

    def _pyro_sample(self, msg: Any) -> None:
        free = self.free.get(msg["name"])
        if free is None or msg["is_observed"]:
            return
        fn = msg["fn"]
        transform = bijection(fn)
        value = transform(free)
        log_det = transform.log_abs_det_jacobian(free, value)
        extra = fn.event_dim - transform.codomain.event_dim
        self.log_det[msg["name"]] = sum_rightmost(log_det, extra)
        msg["value"], msg["done"] = value, True


def bijection(fn: Any) -> Transform:
    """From ℝⁿ to a distribution's support.

    Raises:
        NotImplementedError: If PyTorch knows none, as for whole numbers and spheres.
    """
    return biject_to(fn.support)


def free_event_dim(fn: Any) -> int:
    """How many of the last dimensions of an unconstrained value form an event."""
    transform = bijection(fn)
    return fn.event_dim - transform.codomain.event_dim + transform.domain.event_dim
