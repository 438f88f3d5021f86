"""A mixture of mean-field Gaussians whose draws pass gradients to all of its parameters."""

from __future__ import annotations

import math
from typing import Any

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import constraints

__all__ = ["DiagonalMixture"]


class DiagonalMixture(TorchDistribution):
    """p(z) = Σ_c π_c Π_d N(z_d; μ_cd, σ_cd²), reparameterised implicitly.

    The conditional distribution functions F_d(z_d | z_<d) of a draw are uniform numbers; holding
    them fixed while the parameters φ move gives the draw's derivative, one coordinate after the
    other: ∂z_d/∂φ = −(∂F_d/∂φ) / p(z_d | z_<d). This holds for first derivatives.

    Arguments:
        logits: Logarithms of the weights up to a constant, `[*batch, C]`.
        loc: The components' means, `[*batch, C, D]`.
        scale: Their standard deviations, `[*batch, C, D]`.

    References:
        Implicit Reparameterization Gradients, Michael Figurnov, Shakir Mohamed, Andriy Mnih, 2018.
        https://arxiv.org/abs/1805.08498 Stochastic Backpropagation through Mixture Density
        Distributions, Alex Graves, 2016. https://arxiv.org/abs/1607.05690

    Example:
        >>> two = DiagonalMixture(torch.zeros(2), torch.tensor([[-3.0], [3.0]]), torch.ones(2, 1))
        >>> two.sample(torch.Size([5])).shape, round(two.log_prob(torch.zeros(1)).item(), 2)
        (torch.Size([5, 1]), -5.42)
    """

    arg_constraints = {  # noqa: RUF012
        "logits": constraints.real_vector,
        "loc": constraints.independent(constraints.real, 2),
        "scale": constraints.independent(constraints.positive, 2),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, logits: Tensor, loc: Tensor, scale: Tensor, validate_args: Any = None):
        self.logits, self.loc, self.scale = logits, loc, scale
        super().__init__(logits.shape[:-1], loc.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> DiagonalMixture:
        """The same distribution for a larger batch."""
        shape, event = torch.Size(batch_shape), self.loc.shape[-2:]
        loc, scale = (t.expand(shape + event) for t in (self.loc, self.scale))
        return DiagonalMixture(self.logits.expand(*shape, event[0]), loc, scale, False)

    def _each(self, value: Tensor) -> Tensor:
        """Every component's log-density of every coordinate, `[*batch, C, D]`."""
        distance = (value.unsqueeze(-2) - self.loc) / self.scale
        return -0.5 * distance.square() - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density in nats, `[*batch]`."""
        return torch.logsumexp(self.logits.log_softmax(-1) + self._each(value).sum(-1), -1)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Draws, `[*sample, *batch, D]`."""
        shape = torch.Size(sample_shape) + self.batch_shape
        logits, loc, scale = self.logits, self.loc, self.scale
        with torch.no_grad():
            gumbel = -torch.empty(shape + logits.shape[-1:]).to(logits).exponential_().log()
            chosen = (logits + gumbel).argmax(-1, keepdim=True)[..., None]
            index = chosen.expand(*shape, 1, loc.shape[-1])
            at, width = (t.expand(*shape, *t.shape[-2:]).gather(-2, index) for t in (loc, scale))
            draw = (at + width * torch.randn_like(at)).squeeze(-2)
        return self._moving(draw) if torch.is_grad_enabled() else draw

    def _moving(self, draw: Tensor) -> Tensor:
        """The same draw, now with derivatives by the parameters."""
        log_weights, coordinates = self.logits.log_softmax(-1), []
        for d in range(draw.shape[-1]):
            z, loc, scale = draw[..., d, None], self.loc[..., d], self.scale[..., d]
            weights = log_weights.softmax(-1)  # of the components given the coordinates before
            uniform = (weights * torch.special.ndtr((z - loc) / scale)).sum(-1, keepdim=True)
            with torch.no_grad():
                bells = torch.exp(-0.5 * ((z - loc) / scale) ** 2) / (scale * math.sqrt(math.tau))
                density = (weights * bells).sum(-1, keepdim=True)
                density = density.clamp_min(torch.finfo(density.dtype).tiny)
            z = z - (uniform - uniform.detach()) / density
            coordinates.append(z)
            log_weights = log_weights - 0.5 * ((z - loc) / scale).square() - scale.log()
        return torch.cat(coordinates, -1)
