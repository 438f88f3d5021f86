"""Tiny programs with a discrete latent variable, whose every expectation is a sum."""

from __future__ import annotations

import pyro
import torch
from numpy.polynomial.hermite_e import hermegauss
from pyro.distributions import Bernoulli, Categorical, Normal
from torch import Tensor, nn

import dgmppl

__all__ = ["ClosedMixture", "GlobalSwitch", "Mixed", "Mixture", "Switch", "data"]

DOUBLE = torch.float64


def data(number: int = 3, seed: int = 2) -> Tensor:
    """Some data, `[number]`, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(number, generator=generator, dtype=torch.float64)


class Switch(dgmppl.Program):
    """h ~ Bernoulli, x|h ~ N(loc_h, 1), and an amortised guide."""

    def __init__(self) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))
        self.loc = nn.Parameter(torch.tensor([-1.0, 1.5], dtype=torch.float64))
        self.slope = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))
        self.offset = nn.Parameter(torch.tensor(-0.2, dtype=torch.float64))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            h = pyro.sample("h", Bernoulli(logits=self.logit))
            return pyro.sample("x", Normal(self.loc[h.long()], 1.0), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        with dgmppl.data_plate(x):
            return pyro.sample("h", Bernoulli(logits=self.slope * x + self.offset))

    def log_joint(self, x: Tensor) -> Tensor:
        """log p(x, h) at h = 0, 1: `[2, B]`."""
        h = torch.tensor([[0.0], [1.0]], dtype=x.dtype)
        prior = Bernoulli(logits=self.logit).log_prob(h)
        return prior + Normal(self.loc[:, None], 1.0).log_prob(x)

    def log_guide(self, x: Tensor) -> Tensor:
        """log q(h|x) at h = 0, 1: `[2, B]`."""
        h = torch.tensor([[0.0], [1.0]], dtype=x.dtype)
        return Bernoulli(logits=self.slope * x + self.offset).log_prob(h)

    def elbo(self, x: Tensor, power: float = 1.0) -> Tensor:
        """The exact bound, `[B]`, with the latent's terms to a power."""
        prior = Bernoulli(logits=self.logit).log_prob(torch.tensor([[0.0], [1.0]], dtype=x.dtype))
        log_q = self.log_guide(x)
        return (log_q.exp() * (self.log_joint(x) - prior + power * (prior - log_q))).sum(0)

    def importance_bound(self, x: Tensor) -> Tensor:
        """The exact importance-weighted bound with two particles, `[B]`."""
        log_q = self.log_guide(x)
        log_w = self.log_joint(x) - log_q
        pairs = torch.logaddexp(log_w[:, None], log_w[None]) - torch.tensor(2.0).log()
        return ((log_q[:, None] + log_q[None]).exp() * pairs).sum((0, 1))


class Mixture(dgmppl.Program):
    """A mixture of Gaussians on the line."""

    def __init__(self, components: int = 3):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components, dtype=torch.float64))
        self.loc = nn.Parameter(torch.linspace(-1, 1, components, dtype=torch.float64))
        self.log_scale = nn.Parameter(torch.zeros(components, dtype=torch.float64))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            k = pyro.sample("k", Categorical(logits=self.logits))
            return pyro.sample("x", Normal(self.loc[k], self.log_scale[k].exp()), obs=x)

    def exact(self) -> torch.distributions.Distribution:
        """The same as PyTorch's own mixture."""
        parts = torch.distributions.Normal(self.loc, self.log_scale.exp())
        weights = torch.distributions.Categorical(logits=self.logits)
        return torch.distributions.MixtureSameFamily(weights, parts)


class ClosedMixture(Mixture):
    """The mixture that maximises itself."""

    def maximize(self, x: Tensor, posterior: dict[str, Tensor]) -> None:
        share = posterior["k"]
        total = share.sum(0)
        loc = (share * x[:, None]).sum(0) / total
        variance = (share * (x[:, None] - loc).square()).sum(0) / total
        self.logits.copy_(total.log())
        self.loc.copy_(loc)
        self.log_scale.copy_(variance.log() / 2)


class Mixed(dgmppl.Program):
    """A switch, drawn after a continuous latent it depends on, and one that depends on it."""

    def __init__(self) -> None:
        super().__init__()
        for name, value in {"a": 0.5, "b": -0.4, "c": 0.8, "d": 0.3, "e": 1.2}.items():
            setattr(self, name, nn.Parameter(torch.tensor(value, dtype=DOUBLE)))

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            u = pyro.sample("u", Normal(self.e.detach() * 0, 1.0))
            h = pyro.sample("h", Bernoulli(logits=u))
            v = pyro.sample("v", Normal(h, 1.0))
            pyro.sample("x", Normal(self.e * h + u * v, 1.0), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            u = pyro.sample("u", Normal(self.a * x, 0.8))
            h = pyro.sample("h", Bernoulli(logits=self.b * x + self.c * u))
            pyro.sample("v", Normal(self.d * x + h, 0.6))

    def elbo(self, x: Tensor) -> Tensor:
        """By Gauss–Hermite quadrature in u and v, and the sum over h: `[B]`."""
        nodes, w = (torch.as_tensor(part, dtype=DOUBLE) for part in hermite(24))
        u = self.a * x + 0.8 * nodes[:, None, None]
        total = torch.zeros_like(x)
        for h in (0.0, 1.0):
            h = torch.tensor(h, dtype=DOUBLE)
            v = self.d * x + h + 0.6 * nodes[:, None]
            q = Bernoulli(logits=self.b * x + self.c * u)
            log_w = (
                Normal(0.0, 1.0).log_prob(u)
                + Bernoulli(logits=u).log_prob(h)
                + Normal(h, 1.0).log_prob(v)
                + Normal(self.e * h + u * v, 1.0).log_prob(x)
                - Normal(self.a * x, 0.8).log_prob(u)
                - q.log_prob(h)
                - Normal(self.d * x + h, 0.6).log_prob(v)
            )
            total = total + (w[:, None, None] * w[:, None] * q.log_prob(h).exp() * log_w).sum(
                (0, 1)
            )
        return total


class GlobalSwitch(dgmppl.Program):
    """One discrete latent for all data, and a local one whose guide depends on it."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([0.2, -0.5, 0.4], dtype=DOUBLE))
        self.slope = nn.Parameter(torch.tensor(0.6, dtype=DOUBLE))
        self.loc = nn.Parameter(torch.tensor([-1.0, 0.0, 1.0], dtype=DOUBLE))

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        k = pyro.sample("k", Categorical(torch.ones(3, dtype=DOUBLE) / 3))
        with dgmppl.data_plate(x, n):
            h = pyro.sample("h", Bernoulli(logits=self.loc[k]))
            pyro.sample("x", Normal(self.loc[k] + h, 1.0), obs=x)

    def guide(self, x: Tensor) -> None:
        k = pyro.sample("k", Categorical(logits=self.logits))
        with dgmppl.data_plate(x):
            pyro.sample("h", Bernoulli(logits=self.slope * x + k))

    def elbo(self, x: Tensor) -> Tensor:
        """By the sum over all configurations, nats a datum."""
        log_q = self.logits.log_softmax(0)
        total = torch.zeros((), dtype=DOUBLE)
        for k in range(3):
            inner = torch.zeros((), dtype=DOUBLE)
            for h in (torch.zeros((), dtype=DOUBLE), torch.ones((), dtype=DOUBLE)):
                q = Bernoulli(logits=self.slope * x + k).log_prob(h)
                p = Bernoulli(logits=self.loc[k]).log_prob(h)
                inner = inner + (q.exp() * (p + Normal(self.loc[k] + h, 1.0).log_prob(x) - q)).sum()
            total = total + log_q[k].exp() * (inner - torch.tensor(3.0).log() - log_q[k])
        return total / len(x)


def hermite(number: int) -> tuple[object, object]:
    """Nodes and weights of an expectation under a standard normal."""
    nodes, w = hermegauss(number)
    return nodes, w / w.sum()
