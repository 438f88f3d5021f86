"""One small program of each kind, off the truth, with its exact evidence in closed form."""

from __future__ import annotations

import math
from typing import ClassVar

import pyro
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn

import dgmppl

__all__ = ["KINDS", "Discrete", "GlobalLocal", "Hierarchical", "Kind", "Mixed", "Reparameterised"]

NUMBER = 200


class Kind(dgmppl.Program):
    """A program of scalar parameters, which knows data from its truth and its exact evidence.

    Arguments:
        start: Whether parameters start off the truth, rather than at it.
    """

    truth: ClassVar[dict[str, float]]
    begin: ClassVar[dict[str, float]]
    inference: ClassVar[dict[str, float]]

    def __init__(self, start: bool = True) -> None:
        super().__init__()
        for name, value in (self.truth | (self.begin if start else {}) | self.inference).items():
            setattr(self, name, nn.Parameter(torch.tensor(value)))

    def data(self) -> Tensor:
        """Draws from the truth, `[200]`."""
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(5)
            return type(self)(start=False).model(n=NUMBER)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x) of all data, nats a datum."""
        raise NotImplementedError


class Reparameterised(Kind):
    """z → x, both Gaussian."""

    truth: ClassVar = {"loc": 1.0, "log_scale": -0.5}
    begin: ClassVar = {"loc": -0.5, "log_scale": 0.3}
    inference: ClassVar = {"a": 0.2, "b": 0.0, "s": -0.2}

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(0.0, 1.0))
            return pyro.sample("x", Normal(self.loc + z, self.log_scale.exp()), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("z", Normal(self.a * x + self.b, self.s.exp()))

    def log_evidence(self, x: Tensor) -> Tensor:
        scale = (1 + (2 * self.log_scale).exp()).sqrt()
        return Normal(self.loc, scale).log_prob(x).mean()


class Discrete(Kind):
    """A switch and a Gaussian around one of two places."""

    truth: ClassVar = {"logit": -0.4, "low": -1.5, "high": 1.5}
    begin: ClassVar = {"logit": 0.4, "low": -0.5, "high": 0.5}
    inference: ClassVar = {"slope": 0.5, "offset": 0.0}

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            h = pyro.sample("h", Bernoulli(logits=self.logit))
            return pyro.sample("x", Normal(self.low + h * (self.high - self.low), 1.0), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("h", Bernoulli(logits=self.slope * x + self.offset))

    def log_evidence(self, x: Tensor) -> Tensor:
        h = torch.tensor([[0.0], [1.0]])
        loc = self.low + h * (self.high - self.low)
        joint = Bernoulli(logits=self.logit).log_prob(h) + Normal(loc, 1.0).log_prob(x)
        return joint.logsumexp(0).mean()


class Mixed(Kind):
    """A switch that moves a Gaussian latent: discrete, then continuous."""

    truth: ClassVar = {"logit": 0.3, "low": -1.5, "high": 1.5}
    begin: ClassVar = {"logit": -0.3, "low": -0.5, "high": 0.5}
    inference: ClassVar = {"slope": 0.5, "offset": 0.0, "a": 0.3, "b": 0.0, "c": 0.0, "s": -0.3}

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            h = pyro.sample("h", Bernoulli(logits=self.logit))
            z = pyro.sample("z", Normal(self.low + h * (self.high - self.low), 0.5))
            return pyro.sample("x", Normal(z, 0.8), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            h = pyro.sample("h", Bernoulli(logits=self.slope * x + self.offset))
            pyro.sample("z", Normal(self.a * x + self.b + self.c * h, self.s.exp()))

    def log_evidence(self, x: Tensor) -> Tensor:
        h = torch.tensor([[0.0], [1.0]])
        loc = self.low + h * (self.high - self.low)
        joint = Bernoulli(logits=self.logit).log_prob(h)
        return (joint + Normal(loc, math.hypot(0.5, 0.8)).log_prob(x)).logsumexp(0).mean()


class Hierarchical(Kind):
    """z2 → z1 → x, all Gaussian."""

    truth: ClassVar = {"loc": 1.0, "log_scale": 0.2}
    begin: ClassVar = {"loc": -0.5, "log_scale": -0.6}
    inference: ClassVar = {"a": 0.3, "b": 0.0, "s": -0.2, "c": 0.3, "d": 0.0, "t": -0.1}

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z2 = pyro.sample("z2", Normal(0.0, 1.0))
            z1 = pyro.sample("z1", Normal(self.loc + z2, self.log_scale.exp()))
            return pyro.sample("x", Normal(z1, 0.7), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            z1 = pyro.sample("z1", Normal(self.a * x + self.b, self.s.exp()))
            pyro.sample("z2", Normal(self.c * z1 + self.d, self.t.exp()))

    def log_evidence(self, x: Tensor) -> Tensor:
        scale = (1 + (2 * self.log_scale).exp() + 0.49).sqrt()
        return Normal(self.loc, scale).log_prob(x).mean()


class GlobalLocal(Kind):
    """One latent place for all data, and one latent a datum around it."""

    truth: ClassVar = {"log_scale": -0.5}
    begin: ClassVar = {"log_scale": 0.8}
    inference: ClassVar = {"loc": 0.0, "r": -1.0, "a": 0.3, "b": 0.2, "c": 0.0, "s": -0.2}

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        g = pyro.sample("g", Normal(0.0, 1.0))
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(g, 1.0))
            return pyro.sample("x", Normal(z, self.log_scale.exp()), obs=x)

    def guide(self, x: Tensor) -> None:
        g = pyro.sample("g", Normal(self.loc, self.r.exp()))
        with dgmppl.data_plate(x):
            pyro.sample("z", Normal(self.a * x + self.b * g + self.c, self.s.exp()))

    def log_evidence(self, x: Tensor) -> Tensor:
        own = 1 + (2 * self.log_scale).exp()
        cov = torch.ones(len(x), len(x)) + own * torch.eye(len(x))
        exact = torch.distributions.MultivariateNormal(torch.zeros(len(x)), cov)
        return exact.log_prob(x) / len(x)


KINDS: dict[str, type[Kind]] = {
    "reparameterised": Reparameterised,
    "discrete": Discrete,
    "mixed": Mixed,
    "hierarchical": Hierarchical,
    "global and local": GlobalLocal,
}
