"""The uniform distribution on the unit sphere."""

from __future__ import annotations

from math import lgamma, log, pi

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor

__all__ = ["HypersphericalUniform"]

_Shape = torch.Size | list[int] | tuple[int, ...]


class HypersphericalUniform(TorchDistribution):
    """Every direction of R^d alike: p(x) = Γ(d/2) / (2 π^{d/2}) on ‖x‖ = 1.

    The density is with respect to the sphere's surface.

    Arguments:
        dim: d ≥ 2, the dimension of the space around the sphere.
        batch_shape: Shape of independent copies.
        validate_args: Whether values are checked to lie on the sphere; `None` as set globally.

    Raises:
        ValueError: When d < 2.

    Example:
        >>> import torch
        >>> uniform = HypersphericalUniform(3)
        >>> uniform.log_prob(uniform.sample()).exp()  # 1 / 4π
        tensor(0.0796)
    """

    has_rsample = True
    support = constraints.sphere
    arg_constraints: dict = {}  # noqa: RUF012 - the name and type are torch's protocol

    def __init__(
        self,
        dim: int,
        batch_shape: _Shape = torch.Size(),
        validate_args: bool | None = None,
    ):
        if dim < 2:
            raise ValueError(
                f"Expected dim of at least 2, got {dim}. Try dim=2, directions in a plane."
            )
        self.dim = dim
        super().__init__(torch.Size(batch_shape), torch.Size([dim]), validate_args=validate_args)

    @property
    def log_area(self) -> float:
        """The logarithm of the sphere's surface."""
        return log(2) + self.dim / 2 * log(pi) - lgamma(self.dim / 2)

    @property
    def mean(self) -> Tensor:
        """The centre of the sphere, shape `batch_shape + [d]`."""
        return torch.zeros(self.batch_shape + self.event_shape)

    @property
    def variance(self) -> Tensor:
        """1/d a coordinate, shape `batch_shape + [d]`."""
        return torch.full(self.batch_shape + self.event_shape, 1 / self.dim)

    def expand(
        self, batch_shape: _Shape, _instance: HypersphericalUniform | None = None
    ) -> HypersphericalUniform:
        """Independent copies of shape `batch_shape`."""
        new = self._get_checked_instance(HypersphericalUniform, _instance)
        new.dim = self.dim
        TorchDistribution.__init__(
            new, torch.Size(batch_shape), self.event_shape, validate_args=False
        )
        new._validate_args = self._validate_args
        return new

    def rsample(self, sample_shape: _Shape = torch.Size()) -> Tensor:
        """Normalised Gaussian draws, shape `sample_shape + batch_shape + [d]`."""
        shape = self._extended_shape(torch.Size(sample_shape))
        return torch.nn.functional.normalize(torch.randn(shape), dim=-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Minus the log-surface, shape of `value` without its last dimension, broadcast."""
        if self._validate_args:
            self._validate_sample(value)
        shape = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        return value.new_full(shape, -self.log_area)

    def entropy(self) -> Tensor:
        """The log-surface, the highest entropy on the sphere, in nats, shape `batch_shape`."""
        return torch.full(self.batch_shape, self.log_area)
