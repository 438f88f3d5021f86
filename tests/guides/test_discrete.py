"""Discrete sites in derived guides: what they reach, what others see of them, and their shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro
import pytest
import torch
from pyro.distributions import (
    Bernoulli,
    Categorical,
    Normal,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
)
from statistics_of import agree, exact_gradient, gradients
from torch import Tensor, nn

import dgmppl
from dgmppl.guides import Amortized, Autoregressive, BottomUp, Full, Order, TopDown
from dgmppl.handlers import Replay
from dgmppl.models.helmholtz_machine import HelmholtzMachine
from dgmppl.objectives import ELBO, IWAE, VIMCO, Progress, ReweightedWakeSleep

DOUBLE = torch.float64
ORDERS = pytest.mark.parametrize("order", [BottomUp(), TopDown(), Autoregressive()], ids=repr)


def number(*values: float) -> Tensor:
    return torch.tensor(values, dtype=DOUBLE)


class Choices(dgmppl.Program):
    """A category, then a bit that leans on it, then data that lean on both."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            k = pyro.sample("k", Categorical(number(0.2, 0.5, 0.3)))
            b = pyro.sample("b", Bernoulli(number(0.2, 0.7, 0.5)[k]))
            return pyro.sample("x", Normal(number(-2.0, 0.5, 1.0)[k] + 2 * b, 1.0), obs=x)


CONFIGURATIONS = number(0, 1, 2).repeat_interleave(2), number(0, 1).repeat(3)


def tables(program: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    """log p(x, k, b) and log q(k, b|x) at every configuration, `[6, B]`."""
    k, b = (column[:, None].expand(-1, len(x)) for column in CONFIGURATIONS)
    found = dgmppl.weights(program, x, len(k), handlers=(Replay({"k": k.long(), "b": b}),))
    return sum(found.log_p.values()), sum(found.log_q.values())  # type: ignore[return-value]


def exact_bound(program: Any, x: Tensor) -> Tensor:
    """The ELBO as a sum over configurations, `[B]`."""
    log_p, log_q = tables(program, x)
    return (log_q.exp() * (log_p - log_q)).sum(0)


def features(width: int = 8) -> nn.Module:
    """A network of numbers `[B]`."""
    return nn.Sequential(nn.Unflatten(0, (-1, 1)), nn.Linear(1, width, dtype=DOUBLE), nn.Tanh())


@ORDERS
def test_the_exact_posterior_is_reached(order: Order) -> None:
    """Two sites, either of which sees the other: each factorisation contains the posterior."""
    torch.manual_seed(0)
    x = number(-1.5, 0.3, 2.0)
    guided = Choices().with_guide(Amortized(Choices(), features(), x, order=order))
    log_evidence = tables(guided, x)[0].logsumexp(0)
    start, binding = exact_bound(guided, x), dgmppl.bind(guided, x)
    optimizer = torch.optim.Adam(guided.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        (-exact_bound(binding, x).sum()).backward()
        optimizer.step()
    gap = log_evidence - exact_bound(guided, x)
    assert (log_evidence - start > 0.05).all()
    assert (gap > -1e-12).all() and (gap < 1e-3).all()


@ORDERS
def test_the_guide_is_a_distribution_and_its_gradients_are_right(order: Order) -> None:
    """Probabilities sum to one; the default estimator agrees with the derivative of the sum."""
    torch.manual_seed(1)
    x = number(-1.5, 0.3, 2.0)
    guided = Choices().with_guide(Amortized(Choices(), features(3), x, order=order))
    torch.testing.assert_close(tables(guided, x)[1].exp().sum(0), torch.ones_like(x))
    exact = exact_gradient(exact_bound(guided, x).mean(), guided)
    agree(gradients(ELBO(num_particles=50), guided, x, 200), exact)


class Switched(dgmppl.Program):
    """A bit that moves a Gaussian code: one site of each sort."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            h = pyro.sample("h", Bernoulli(number(0.4)[0]))
            z = pyro.sample("z", Normal(2 * h - 1, 0.8))
            return pyro.sample("x", Normal(z, 0.5), obs=x)

    @staticmethod
    def log_evidence(x: Tensor) -> Tensor:
        means, variance = number(-1.0, 1.0), 0.8**2 + 0.5**2
        parts = Normal(means, variance**0.5).log_prob(x[:, None]) + number(0.6, 0.4).log()
        return parts.logsumexp(-1)


def test_a_mixed_program_learns() -> None:
    """Given the bit the posterior is Gaussian, so that q(h|x) q(z|h,x) can be exact."""
    torch.manual_seed(0)
    x = number(-2.0, -0.2, 0.4, 1.5)
    guide = Amortized(Switched(), features(), x, family=Full(), order=TopDown())
    guided = Switched().with_guide(guide)
    binding = dgmppl.bind(guided, x)
    assert {s.name: s.reparameterised for s in binding.draws} == {"h": False, "z": True}
    optimizer = torch.optim.Adam(guided.parameters(), lr=0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 400)
    for _ in range(400):
        optimizer.zero_grad()
        ELBO(num_particles=10).loss(binding, x, Progress()).surrogate.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        ratio = dgmppl.weights(guided, x, 4000).ratio()[0]
    gap = Switched.log_evidence(x) - ratio.mean(0)  # type: ignore[union-attr]
    assert (gap.abs() < 0.03).all()


class Written(dgmppl.Program):
    """A program of one latent site."""

    def __init__(self, prior: Any):
        super().__init__()
        self.prior = prior

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", self.prior)
            total = z.reshape(*z.shape[: z.dim() - self.prior.event_dim], -1).sum(-1)
            return pyro.sample("x", Normal(1.0 * total, 1.0), obs=x)


PRIORS: dict[str, tuple[Callable[[], Any], tuple[int, ...], int]] = {
    "bit": (lambda: Bernoulli(0.3), (), 1),
    "bits": (lambda: Bernoulli(torch.full((2, 3), 0.3)).to_event(2), (2, 3), 6),
    "category": (lambda: Categorical(torch.ones(4)), (), 4),
    "categories": (lambda: Categorical(torch.ones(2, 3, 4)).to_event(2), (2, 3), 24),
    "one-hot": (lambda: OneHotCategorical(torch.ones(4)), (4,), 4),
    "straight-through": (lambda: OneHotCategoricalStraightThrough(torch.ones(4)), (4,), 4),
    "one-hots": (lambda: OneHotCategorical(torch.ones(3, 4)).to_event(1), (3, 4), 12),
}


@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("particles", [1, 5])
def test_every_kind_and_shape(name: str, particles: int) -> None:
    """Draws have the prior's kind, shape and type; the closed-form KL stays; all can be scored."""
    make, event_shape, size = PRIORS[name]
    program, x = Written(make()), torch.randn(3)
    net = nn.Sequential(nn.Unflatten(0, (-1, 1)), nn.Linear(1, 2))
    guide = Amortized(program, net, x)
    assert guide.latents["z"].size == size
    found = dgmppl.weights(program.with_guide(guide), x, particles)
    site, batch = found.runs[0].guide["z"], (3,) if particles == 1 else (particles, 3)
    assert site["value"].shape == (*batch, *event_shape)
    assert site["value"].dtype == make().sample().dtype
    assert found.log_q["z"].shape == (particles, 3) and "z" in found.divergences
    seen = guide.latents["z"].flat(site["value"]).float()
    assert seen.shape == (*batch, size) and set(seen.unique().tolist()) <= {0.0, 1.0}


def test_a_category_is_seen_as_one_hot() -> None:
    guide = Amortized(Choices(), features(), number(0.0))
    seen = guide.latents["k"].flat(torch.tensor([[2, 0]])).long().tolist()
    assert seen == [[[0, 0, 1], [1, 0, 0]]]


def test_the_helmholtz_machine_gets_its_recogniser() -> None:
    """q(h1|x) q(h2|h1, x), for every estimator and by the same commands as the written guide."""
    x = torch.bernoulli(torch.full((20, 6), 0.4))
    program = HelmholtzMachine(6, layers=(4, 3))
    guide = Amortized(program, nn.Sequential(nn.Linear(6, 5), nn.Tanh()), x)
    assert "q(h1 | features) q(h2 | h1, features)" in repr(guide)
    for objective in (ELBO(), IWAE(num_particles=4, gradient=VIMCO()), ReweightedWakeSleep(4)):
        before = [p.detach().clone() for p in guide.parameters()]
        dgmppl.fit(program, x, objective, guide=guide, epochs=1, device="cpu", progress=False)
        after = list(guide.parameters())
        assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
