"""A latent-variable model with every answer in closed form: the oracle of the bounds' tests.

p(z) = N(0, I), p(x|z) = N(W z + b, σ² I), with orthogonal columns of W, so that the exact posterior
is a diagonal Gaussian whose mean is linear in x: the amortised guide here contains it.
"""

from __future__ import annotations

import math

import pyro
import torch
from pyro.distributions import Normal
from torch import Tensor, nn

import dgmppl

__all__ = ["LinearGaussian", "data"]

DATA_DIM, Z_DIM = 3, 2


def data(number: int = 4, seed: int = 1) -> Tensor:
    """Some data, `[number, 3]`, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(number, DATA_DIM, generator=generator, dtype=torch.float64)


class LinearGaussian(dgmppl.Program):
    """The model, with the exact posterior as guide or one that is `wrong` by as many units."""

    def __init__(self, wrong: float = 0.0):
        super().__init__()
        columns = torch.tensor([[1.0, 0.5], [-1.0, 0.5], [0.0, 1.0]], dtype=torch.float64)
        self.W, self.b = nn.Parameter(columns), nn.Parameter(columns.sum(1) / 4)
        self.log_sigma = nn.Parameter(torch.tensor(-0.4, dtype=torch.float64))
        with torch.no_grad():
            scale2 = 1 / (1 + self.W.square().sum(0) / self.sigma**2)
            gain = scale2[:, None] * self.W.T / self.sigma**2
            self.gain = nn.Parameter(gain * (1 - 0.3 * wrong))
            self.offset = nn.Parameter(-gain @ self.b + 0.5 * wrong)
            self.log_scale = nn.Parameter(scale2.log() / 2 + 0.2 * wrong)

    @property
    def sigma(self) -> Tensor:
        return self.log_sigma.exp()

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(self.W.new_zeros(Z_DIM), 1.0).to_event(1))
            loc = z @ self.W.T + self.b
            return pyro.sample("x", Normal(loc, self.sigma).to_event(1), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        with dgmppl.data_plate(x):
            q = Normal(x @ self.gain.T + self.offset, self.log_scale.exp())
            return pyro.sample("z", q.to_event(1))

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x), `[B]`."""
        cov = self.W @ self.W.T + self.sigma**2 * torch.eye(DATA_DIM, dtype=x.dtype)
        return torch.distributions.MultivariateNormal(self.b, cov).log_prob(x)

    def divergence(self, x: Tensor) -> Tensor:
        """Exact KL(q(z|x) ‖ p(z)), `[B]`."""
        loc, scale = x @ self.gain.T + self.offset, self.log_scale.exp()
        return 0.5 * (loc**2 + scale**2 - 1 - 2 * self.log_scale).sum(-1)

    def elbo(self, x: Tensor) -> Tensor:
        """The exact evidence lower bound, `[B]`."""
        loc, scale = x @ self.gain.T + self.offset, self.log_scale.exp()
        error = (x - self.b - loc @ self.W.T).square().sum(-1)
        spread = (scale**2 * self.W.square().sum(0)).sum(-1)
        constant = DATA_DIM * (math.log(2 * math.pi) + 2 * self.log_sigma)
        return -0.5 * (constant + (error + spread) / self.sigma**2) - self.divergence(x)
