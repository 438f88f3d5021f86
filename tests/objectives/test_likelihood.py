"""Exact likelihood by enumeration, and expectation maximisation."""

from __future__ import annotations

from functools import partial

import pyro
import pytest
import torch
from enumerable import ClosedMixture, Mixture, Switch, data
from pyro.distributions import Bernoulli, Categorical, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.binding import ProgramError, bind
from dgmppl.enumeration import enumerate_latents
from dgmppl.objectives import ELBO, ExpectationMaximization, MaximumLikelihood, Progress

DOUBLE = torch.float64


def clusters() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(60, generator=generator, dtype=DOUBLE)
    return noise * 0.5 + torch.tensor([-3.0, 0.0, 4.0], dtype=DOUBLE).repeat(20)


def likelihood(program: dgmppl.Program, x: Tensor) -> Tensor:
    return MaximumLikelihood().value(bind(program, x), x, Progress())


def test_enumeration_is_the_mixture() -> None:
    program, x = Mixture(), data(10)
    table = enumerate_latents(bind(program, x), x)
    assert table.log_joint.shape == (3, 10) and table.sites == ("k",)
    assert torch.allclose(table.log_evidence, program.exact().log_prob(x), rtol=1e-12)
    assert torch.allclose(table.posterior.sum(0), torch.ones(10, dtype=DOUBLE))
    assert torch.equal(table.marginal("k"), table.posterior.T)


class Chain(dgmppl.Program):
    """Two dependent discrete latents of different sizes, and pixels in an inner plate."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.tensor([0.1, -0.4, 0.6], dtype=DOUBLE))
        self.second = nn.Parameter(torch.tensor([0.5, -1.0, 0.2], dtype=DOUBLE))

    def model(self, x: Tensor, n: int = 1) -> None:
        with pyro.plate("data", len(x), dim=-1):
            a = pyro.sample("a", Categorical(logits=self.first))
            b = pyro.sample("b", Bernoulli(logits=self.second[a]))
            loc = (a + 2 * b)[..., None].expand(*(a + 2 * b).shape, 2)
            pyro.sample("x", Normal(loc.double(), 1.0).to_event(1), obs=x)


def test_several_latents() -> None:
    program, x = Chain(), torch.randn(4, 2, dtype=DOUBLE)
    table = enumerate_latents(bind(program, x), x)
    assert table.log_joint.shape == (3, 2, 4) and table.sites == ("a", "b")
    for a in range(3):
        for b in range(2):
            other = Bernoulli(logits=program.second[a]).log_prob(torch.tensor(float(b)))
            expected = program.first.log_softmax(0)[a] + other
            expected = expected + Normal(a + 2.0 * b, 1.0).log_prob(x).sum(-1)
            assert torch.allclose(table.log_joint[a, b], expected, rtol=1e-6)
    assert torch.allclose(table.marginal("b").sum(1), torch.ones(4, dtype=DOUBLE))
    assert table.marginal("a").shape == (4, 3)


def test_no_latents() -> None:
    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("x", Normal(pyro.param("loc", torch.tensor(0.5)), 1.0), obs=x)

    x = torch.randn(5)
    assert torch.allclose(likelihood(dgmppl.Pair(model), x), Normal(0.5, 1.0).log_prob(x).mean())


def test_a_minibatchs_scale_stays_outside_the_sum() -> None:
    x, loc = data(10), torch.tensor([-1.0, 1.0], dtype=DOUBLE)

    def model(x: Tensor, rows: Tensor) -> None:
        centre = pyro.param("loc", loc)
        pyro.factor("prior", -centre.square().sum())
        with pyro.plate("data", 10, subsample=rows):
            k = pyro.sample("k", Bernoulli(torch.tensor(0.3, dtype=DOUBLE)))
            pyro.sample("x", Normal(centre[k.long()], 1.0), obs=x[rows])

    def value(rows: Tensor) -> Tensor:
        pair = dgmppl.Pair(model)
        return MaximumLikelihood().value(bind(pair, (x, rows)), (x, rows), Progress())

    parts = Normal(loc[:, None], 1.0).log_prob(x).exp() * torch.tensor([[0.7], [0.3]])
    truth = parts.sum(0).log().mean() - 2 / 10
    assert torch.allclose(value(torch.arange(10)), truth)
    pieces = torch.stack([value(rows) for rows in torch.randperm(10).split(5)])
    assert torch.allclose(pieces.mean(), truth)


def test_it_equals_a_bound_without_latents() -> None:
    """A factor outside the plate counts once for all data, under either objective."""

    def model(x: Tensor) -> None:
        loc = pyro.param("loc", torch.tensor(0.5))
        pyro.factor("prior", -loc.square())
        with pyro.plate("data", len(x)):
            pyro.sample("x", Normal(loc, 1.0), obs=x)

    pair, x = dgmppl.Pair(model), torch.randn(4)
    binding, progress = bind(pair, x), Progress(size=100)
    exact = MaximumLikelihood().value(binding, x, progress)
    assert torch.allclose(exact, ELBO().value(binding, x, progress))


class Bits(dgmppl.Program):
    def __init__(self, number: int):
        super().__init__()
        self.number = number
        self.loc = nn.Parameter(torch.zeros(()))

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            bits = [pyro.sample(f"h{i}", Bernoulli(0.5)) for i in range(self.number)]
            pyro.sample("x", Normal(self.loc + sum(bits), 1.0), obs=x)


def test_too_many_configurations_are_refused_before_they_are_listed() -> None:
    x = torch.zeros(2)
    with pytest.raises(ProgramError, match=r"1048576 configurations.*2097152 up to site 'h20'"):
        enumerate_latents(bind(Bits(60), x), x)


def test_em_never_lowers_the_likelihood() -> None:
    program, x = ClosedMixture(), clusters()
    before = likelihood(program, x)
    run = dgmppl.fit(
        program, x, ExpectationMaximization(), epochs=25, batch_size=None, progress=False
    )
    values = torch.tensor(run.history["value"], dtype=DOUBLE)
    assert torch.allclose(values[0], before)
    assert (values.diff() > -1e-12).all()
    assert values[-1] > values[0] + 0.5
    # what M maximised is a fixed point: one more step changes nothing
    assert (likelihood(program, x) - values[-1]).abs() < 1e-6


def test_em_by_gradient_raises_the_likelihood() -> None:
    program, x = Mixture(), clusters()
    adam = partial(torch.optim.Adam, lr=0.03)
    objective = ExpectationMaximization(maximization_steps=5)
    run = dgmppl.fit(
        program, x, objective, epochs=30, batch_size=None, optimizer=adam, progress=False
    )
    expectations = [r["value"] for r in run.history.steps if r["phase"] == "posterior"]
    assert len(expectations) == 30
    assert expectations[-1] > expectations[0] + 0.5


def test_gradients_of_em_are_those_of_the_likelihood() -> None:
    """Fisher's identity, at the parameters of the E step."""
    program, x = Mixture(), clusters()
    binding, progress = bind(program, x), Progress()
    expectation, maximisation = ExpectationMaximization().phases(binding)
    expectation.loss(binding, x, progress)
    surrogate = maximisation.loss(binding, x, progress).surrogate
    parameters = list(program.parameters())
    slope = torch.autograd.grad(-surrogate, parameters)
    exact = torch.autograd.grad(program.exact().log_prob(x).mean(), parameters)
    assert all(torch.allclose(a, b) for a, b in zip(slope, exact, strict=True))


def test_em_ends_where_the_likelihood_is_flat() -> None:
    program, x = ClosedMixture(), clusters()
    dgmppl.fit(program, x, ExpectationMaximization(), epochs=100, batch_size=None, progress=False)
    value = MaximumLikelihood().phases(bind(program, x))[0].loss(bind(program, x), x, Progress())
    slope = torch.autograd.grad(value.surrogate, list(program.parameters()))
    assert all(part.abs().max() < 1e-6 for part in slope)


def test_the_bound_is_below_the_likelihood() -> None:
    program, x = Switch(), data()
    gap = enumerate_latents(bind(program, x), x).log_evidence - program.elbo(x)
    posterior = program.log_joint(x).log_softmax(0)
    log_q = program.log_guide(x)
    assert torch.allclose(gap, (log_q.exp() * (log_q - posterior)).sum(0))
