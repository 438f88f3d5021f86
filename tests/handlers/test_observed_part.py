"""The observed part of every likelihood that factorises, and gradients that no NaN reaches."""

from __future__ import annotations

from collections.abc import Callable

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor

from dgmppl.handlers import ObservedPart, Particles, Redraw
from dgmppl.traces import sample_sites, trace

NAN = float("nan")
TARGETS: dict[str, tuple[Callable[[Tensor], dist.TorchDistribution], float]] = {
    "Bernoulli": (lambda p: dist.Bernoulli(logits=p), 1.0),
    "Beta": (lambda p: dist.Beta(p.exp(), 2.0), 0.3),
    "Binomial": (lambda p: dist.Binomial(3, logits=p), 2.0),
    "Categorical": (lambda p: dist.Categorical(logits=torch.stack([p, -p], -1)), 1.0),
    "Cauchy": (lambda p: dist.Cauchy(p, 1.0), 0.3),
    "ContinuousBernoulli": (lambda p: dist.ContinuousBernoulli(logits=p), 0.3),
    "Gamma": (lambda p: dist.Gamma(p.exp(), 1.0), 0.3),
    "Laplace": (lambda p: dist.Laplace(p, 1.0), 0.3),
    "LogNormal": (lambda p: dist.LogNormal(p, 1.0), 0.3),
    "Normal": (lambda p: dist.Normal(p, p.exp()), 0.3),
    "Poisson": (lambda p: dist.Poisson(p.exp()), 4.0),
    "Uniform": (lambda p: dist.Uniform(p - 99, p + 99), 0.3),
    "masked": (lambda p: dist.Normal(p, 1.0).mask(torch.tensor([True, True, False])), 0.3),
}


def observed(make: Callable[[Tensor], dist.TorchDistribution], p: Tensor, x: Tensor) -> Tensor:
    """The log-density of a site, `[2]`, under the handler."""

    @ObservedPart()
    def model() -> None:
        with pyro.plate("data", 2):
            returned = pyro.sample("x", make(p).to_event(1), obs=x)
        assert torch.equal(returned.isnan(), x.isnan())  # what follows sees what is missing

    with pyro.validation_enabled(True):
        site = sample_sites(trace(model))["x"]
        assert torch.equal(site["infer"]["given"].isnan(), x.isnan())
        return site["fn"].log_prob(site["value"])


@pytest.mark.parametrize("name", TARGETS)
def test_density_and_gradient_are_those_of_the_entries_that_are_there(name: str) -> None:
    make, value = TARGETS[name]
    x = torch.tensor([[value, NAN, value], [NAN, NAN, NAN]])
    p = torch.tensor([[0.4, 20.0, 0.1], [-20.0, 0.2, 0.3]], requires_grad=True)
    log_prob = observed(make, p, x)
    entries = make(p).log_prob(torch.full_like(x, value))
    truth = torch.where(x.isnan(), 0.0, entries).sum(-1)
    torch.testing.assert_close(log_prob, truth)
    (gradient,) = torch.autograd.grad(log_prob.sum(), p)
    part = p.detach()[0, ::2].requires_grad_()
    alone = make(torch.stack([part[0], part[0], part[1]])).log_prob(x.new_full((3,), value))
    (expected,) = torch.autograd.grad(alone[::2].sum(), part)
    torch.testing.assert_close(gradient[0, ::2], expected)
    assert torch.equal(gradient[x.isnan()], torch.zeros(4))


def test_particles_and_draws_in_place_of_data_go_through_it() -> None:
    x = torch.tensor([[1.0, NAN], [NAN, 0.0]])

    @ObservedPart()
    def model() -> None:
        with pyro.plate("data", 2):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            logits = torch.stack([z, z], -1)
            pyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)

    sites = sample_sites(trace(model, handlers=(Particles(5, -2),)))
    log_p = dist.Bernoulli(logits=sites["z"]["value"]).log_prob(torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(sites["x"]["fn"].log_prob(sites["x"]["value"]), log_p)
    drawn = sample_sites(trace(model, handlers=(Redraw(),)))["x"]["value"]
    assert not drawn.isnan().any()


def test_numbers_that_cannot_be_missing_and_deterministic_sites_are_left_alone() -> None:
    @ObservedPart()
    def model() -> None:
        pyro.sample("k", dist.Categorical(logits=torch.zeros(3)), obs=torch.tensor(2))
        pyro.deterministic("d", torch.tensor([1.0, NAN]))
        pyro.factor("f", torch.tensor(3.0))

    nodes = trace(model).nodes
    assert all("given" not in nodes[name]["infer"] for name in ("k", "d", "f"))
