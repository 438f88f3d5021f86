"""Sums over the guide's discrete draws: exact where nothing else is random."""

from __future__ import annotations

import pyro
import pytest
import torch
from enumerable import GlobalSwitch, Mixed, Switch, data
from pyro.distributions import Bernoulli, Categorical, Normal, OneHotCategorical
from statistics_of import agree, exact_gradient, gradients
from torch import Tensor, nn

import dgmppl
from dgmppl.binding import bind
from dgmppl.objectives import ELBO, IWAE, Enumerate, ObjectiveError, Progress

DOUBLE = torch.float64


@pytest.mark.parametrize("vectorized", [True, False])
@pytest.mark.parametrize("analytic_kl", [True, False])
@pytest.mark.parametrize("num_particles", [1, 2])
@pytest.mark.parametrize("program", [Switch, GlobalSwitch])
def test_one_step_is_exact(
    program: type[Switch], num_particles: int, analytic_kl: bool, vectorized: bool
) -> None:
    model, x = program(), data()
    model.vectorized = vectorized
    objective = ELBO(num_particles, Enumerate(), analytic_kl=analytic_kl)
    exact = model.elbo(x).mean()
    torch.testing.assert_close(objective.value(bind(model, x), x, Progress()), exact.detach())
    found = gradients(objective, model, x, 1)[0]
    torch.testing.assert_close(found, exact_gradient(exact, model))


@pytest.mark.parametrize("analytic_kl", [True, False])
def test_what_is_left_to_draw_is_pathwise(analytic_kl: bool) -> None:
    program, x = Mixed(), torch.tensor([0.7, -1.1], dtype=DOUBLE)
    truth = exact_gradient(program.elbo(x).mean(), program)
    objective = ELBO(gradient=Enumerate(), analytic_kl=analytic_kl)
    agree(gradients(objective, program, x.repeat(150), 60), truth)


def test_the_choices_leave_no_noise() -> None:
    program, x = Mixed(), torch.tensor([0.7, -1.1], dtype=DOUBLE)
    noise = [
        gradients(ELBO(gradient=gradient), program, x, 200).var(0).sum()
        for gradient in (Enumerate(), None)
    ]
    assert noise[0] < noise[1]


class Pairs(dgmppl.Program):
    """Two discrete latents of different kinds, the second dependent on the first."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        shapes = {"first": (3,), "second": (3, 4), "loc": (3, 4), "q": (3,), "r": (3, 4)}
        for name, shape in shapes.items():
            value = torch.randn(shape, generator=generator, dtype=DOUBLE)
            setattr(self, name, nn.Parameter(value))

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            a = pyro.sample("a", Categorical(logits=self.first))
            b = pyro.sample("b", OneHotCategorical(logits=self.second[a]))
            pyro.sample("x", Normal((self.loc[a] * b).sum(-1), 1.0), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            a = pyro.sample("a", Categorical(logits=self.q * x[:, None]))
            pyro.sample("b", OneHotCategorical(logits=self.r[a]))

    def elbo(self, x: Tensor) -> Tensor:
        log_q = (self.q * x[:, None]).log_softmax(-1)[..., None] + self.r.log_softmax(-1)
        prior = self.first.log_softmax(0)[:, None] + self.second.log_softmax(-1)
        log_p = prior + Normal(self.loc, 1.0).log_prob(x[:, None, None])
        return (log_q.exp() * (log_p - log_q)).sum((1, 2))


def test_configurations_of_several_sites() -> None:
    program, x = Pairs(), data()
    exact = program.elbo(x).mean()
    found = gradients(ELBO(gradient=Enumerate(), analytic_kl=False), program, x, 1)[0]
    torch.testing.assert_close(found, exact_gradient(exact, program))
    loss = (
        ELBO(gradient=Enumerate()).phases(bind(program, x))[0].loss(bind(program, x), x, Progress())
    )
    torch.testing.assert_close(
        sum(loss.terms[n] for n in ("kl_a", "kl_b")) * -1 + loss.terms["x"], exact.detach()
    )


class Units(dgmppl.Program):
    """Too many units to list."""

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            h = pyro.sample("h", Bernoulli(torch.full((9,), 0.5)).to_event(1))
            pyro.sample("x", Normal(h.sum(-1), 1.0), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("h", Bernoulli(torch.full((len(x), 9), 0.5)).to_event(1))


@pytest.mark.parametrize(
    ("objective", "program", "words"),
    [
        (ELBO(gradient=Enumerate()), Units(), "'h'"),
        (ELBO(gradient=Enumerate(limit=2)), Pairs(), "limit"),
        (IWAE(num_particles=3, gradient=Enumerate()), Switch(), "logarithm"),
    ],
    ids=["units", "limit", "logarithm"],
)
def test_refusals(objective: ELBO, program: dgmppl.Program, words: str) -> None:
    with pytest.raises(ObjectiveError, match=words):
        objective.check(bind(program, data()))
