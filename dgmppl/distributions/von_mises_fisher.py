"""The von Mises–Fisher distribution: a Gaussian's counterpart on the unit sphere."""

from __future__ import annotations

from math import log, pi

import torch
from pyro.distributions import constraints
from pyro.distributions.torch_distribution import TorchDistribution
from torch import Tensor
from torch.distributions.kl import register_kl
from torch.nn.functional import normalize

from dgmppl.distributions.bessel import bessel_ratio, log_bessel
from dgmppl.distributions.hyperspherical_uniform import HypersphericalUniform
from dgmppl.distributions.polar_angle import draw_polar_angle

__all__ = ["VonMisesFisher"]

_Shape = torch.Size | list[int] | tuple[int, ...]


class VonMisesFisher(TorchDistribution):
    """Directions x around a mean direction μ: p(x) = C_d(κ) exp(κ ⟨μ, x⟩) on ‖x‖ = 1.

    C_d(κ) = κ^ν / ((2π)^{d/2} I_ν(κ)) with ν = d/2 − 1; the density is with respect to the
    sphere's surface. κ = 0 is the uniform distribution. A draw is x = cos θ μ + sin θ v, with a
    tangent v that μ carries along when it turns, and its pathwise gradients are unbiased. What
    depends on κ is computed in double precision, whatever the type of the arguments.

    Arguments:
        loc: μ, unit vectors, shape `[*batch, d]`, d ≥ 2.
        concentration: κ ≥ 0, shape `[*batch]`.
        validate_args: Whether arguments and values are checked; `None` as set globally.

    Raises:
        ValueError: When μ is no vector of at least two coordinates, or, where checked, not on the
            sphere.

    References:
        Hyperspherical Variational Auto-Encoders, Tim Davidson et al., 2018.
        https://arxiv.org/abs/1804.00891

    Example:
        >>> import torch
        >>> posterior = VonMisesFisher(torch.tensor([0.0, 0.6, 0.8]), 10.0)
        >>> posterior.mean
        tensor([0.0000, 0.5400, 0.7200])
        >>> torch.distributions.kl_divergence(posterior, HypersphericalUniform(3))
        tensor(1.9957)
    """

    has_rsample = True
    support = constraints.sphere
    arg_constraints = {  # noqa: RUF012 - the name and type are torch's protocol
        "loc": constraints.sphere,
        "concentration": constraints.nonnegative,
    }

    def __init__(
        self, loc: Tensor, concentration: Tensor | float, validate_args: bool | None = None
    ):
        if loc.dim() < 1 or loc.shape[-1] < 2:
            raise ValueError(
                "Expected loc of shape [*batch, d] with d of at least 2, got shape "
                f"{tuple(loc.shape)}. Try torch.nn.functional.normalize(loc, dim=-1)."
            )
        concentration = torch.as_tensor(concentration).to(loc)
        batch_shape = torch.broadcast_shapes(loc.shape[:-1], concentration.shape)
        self.loc = loc.expand(*batch_shape, loc.shape[-1])
        self.concentration = concentration.expand(batch_shape)
        super().__init__(batch_shape, loc.shape[-1:], validate_args=validate_args)

    @property
    def dim(self) -> int:
        """d, the dimension of the space around the sphere."""
        return self.event_shape[0]

    @property
    def mean(self) -> Tensor:
        """A_d(κ) μ with A_d = I_{d/2} / I_{d/2−1}, shape `[*batch, d]`."""
        return bessel_ratio(self.dim / 2 - 1, self.concentration).unsqueeze(-1) * self.loc

    @property
    def mode(self) -> Tensor:
        """μ, shape `[*batch, d]`."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variance of each coordinate, shape `[*batch, d]`."""
        return self._radial_moments().to(self.loc.dtype)

    def expand(
        self, batch_shape: _Shape, _instance: VonMisesFisher | None = None
    ) -> VonMisesFisher:
        """Broadcasts μ and κ to `batch_shape`."""
        new = self._get_checked_instance(VonMisesFisher, _instance)
        batch_shape = torch.Size(batch_shape)
        new.loc = self.loc.expand(batch_shape + self.event_shape)
        new.concentration = self.concentration.expand(batch_shape)
        TorchDistribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def rsample(self, sample_shape: _Shape = torch.Size()) -> Tensor:
        """Differentiable draws, shape `sample_shape + [*batch, d]`."""
        shape = self._extended_shape(torch.Size(sample_shape))
        loc = normalize(self.loc.double(), dim=-1).expand(shape)
        angle = draw_polar_angle(self.concentration.double().expand(shape[:-1]), self.dim)
        angle = angle.unsqueeze(-1)
        return (angle.cos() * loc + angle.sin() * _draw_tangent(loc)).to(self.loc.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x) in nats, shape of `value` without its last dimension, broadcast."""
        if self._validate_args:
            self._validate_sample(value)
        cosine = (self.loc.double() * value.double()).sum(-1)
        score = self._log_peak() + self.concentration.double() * (cosine - 1)
        return score.to(self.loc.dtype)

    def entropy(self) -> Tensor:
        """−E[log p(x)] in nats, shape `[*batch]`."""
        return -self._expected_log_prob().to(self.loc.dtype)

    def _log_peak(self) -> Tensor:
        """log C_d(κ) + κ, the log-density at μ, `[*batch]`, double precision."""
        concentration = self.concentration.double()
        return -log_bessel(self.dim / 2 - 1, concentration) - self.dim / 2 * log(2 * pi)

    def _expected_log_prob(self) -> Tensor:
        """log C_d(κ) + κ A_d(κ), `[*batch]`, double precision."""
        concentration = self.concentration.double()
        shortfall = 1 - bessel_ratio(self.dim / 2 - 1, concentration)
        return self._log_peak() - concentration * shortfall

    def _radial_moments(self) -> Tensor:
        """The diagonal of Var[cos θ] μμᵀ + E[sin² θ] / (d − 1) (I − μμᵀ), `[*batch, d]`."""
        order = self.dim / 2 - 1
        first = bessel_ratio(order, self.concentration.double()).unsqueeze(-1)
        following = bessel_ratio(order + 1, self.concentration.double()).unsqueeze(-1)
        across = (1 - first * following) / self.dim  # A / κ, and 1 / d at κ = 0
        along = (1 - first.square() - (self.dim - 1) * across).clamp_min(0.0)
        squared = self.loc.double().square()
        return across + (along - across) * squared


def _draw_tangent(loc: Tensor) -> Tensor:
    """Uniform unit tangents at μ, which turn with μ without twisting, `[*batch, d]`."""
    base = loc.detach()
    noise = torch.randn_like(base)
    tangent = normalize(noise - (noise * base).sum(-1, keepdim=True) * base, dim=-1)
    tilt = (loc * tangent).sum(-1, keepdim=True) / (1 + (loc * base).sum(-1, keepdim=True))
    return tangent - tilt * (base + loc)


@register_kl(VonMisesFisher, HypersphericalUniform)
def _kl_von_mises_fisher_uniform(q: VonMisesFisher, p: HypersphericalUniform) -> Tensor:
    """E_q[log q] plus the log-surface."""
    if q.dim != p.dim:
        raise ValueError(
            f"Expected both distributions in as many dimensions, got {q.dim} and {p.dim}. "
            f"Try HypersphericalUniform({q.dim})."
        )
    shape = torch.broadcast_shapes(q.batch_shape, p.batch_shape)
    divergence = q._expected_log_prob() + p.log_area
    return divergence.to(q.loc.dtype).expand(shape)
