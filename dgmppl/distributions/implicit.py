"""A distribution that can be drawn from and differentiated through, but has no density."""

from __future__ import annotations

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

__all__ = ["Implicit", "NoDensityError"]

_Shape = torch.Size | list[int] | tuple[int, ...]


class NoDensityError(NotImplementedError):
    """The density of a site was asked for, and the site has none."""


class Implicit(TorchDistribution):
    """The push-forward of noise through a network, known only by its draws.

    Arguments:
        value: A differentiable draw, shape `batch_shape + event_shape`.
        event_dim: How many of the rightmost dimensions form one event.
        name: The site's name, for error messages.

    Example:
        >>> import torch
        >>> draw = Implicit(torch.ones(4, 2), event_dim=1, name="x")
        >>> draw.batch_shape, draw.event_shape
        (torch.Size([4]), torch.Size([2]))
    """

    has_rsample = True
    arg_constraints: dict = {}  # noqa: RUF012 - the name and type are torch's protocol

    def __init__(self, value: Tensor, event_dim: int, name: str = "x"):
        if not 0 <= event_dim <= value.dim():
            raise ValueError(
                f"Expected event_dim of implicit site '{name}' between 0 and {value.dim()} "
                f"(its value has shape {tuple(value.shape)}), got {event_dim}."
            )
        self.value, self.name = value, name
        split = value.dim() - event_dim
        super().__init__(value.shape[:split], value.shape[split:], validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """The real vectors of the event's shape."""
        return constraints.independent(constraints.real, len(self.event_shape))

    def expand(self, batch_shape: _Shape, _instance: object = None) -> Implicit:
        """Broadcasts the draw to `batch_shape`."""
        value = self.value.expand(torch.Size(batch_shape) + self.event_shape)
        return Implicit(value, len(self.event_shape), self.name)

    def rsample(self, sample_shape: _Shape = torch.Size()) -> Tensor:
        """The draw itself, shape `sample_shape + batch_shape + event_shape`."""
        return self.value.expand(torch.Size(sample_shape) + self.value.shape)

    @property
    def mean(self) -> Tensor:
        """The draw itself: given the noise that went in, there is no other."""
        return self.value

    def log_prob(self, value: Tensor) -> Tensor:
        """Raises NoDensityError, always."""
        raise NoDensityError(
            f"Site '{self.name}' is implicit: it can be drawn but has no density. Try an objective "
            "that compares draws with a critic at this site, or give it a likelihood "
            "(for example pyro.distributions.Normal around the draw)."
        )
