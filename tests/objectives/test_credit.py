"""Rewards of the score function: a slice of a plate answers for itself only."""

from __future__ import annotations

import pyro
import pytest
import torch
from pyro.distributions import Bernoulli, Normal
from statistics_of import agree, exact_gradient, gradients
from torch import Tensor, nn

import dgmppl
from dgmppl.binding import bind
from dgmppl.objectives import ELBO, LeaveOneOut, MovingAverage, ScoreFunction

DOUBLE = torch.float64
UNITS = 6


class Rows(dgmppl.Program):
    """A switch for every entry of a row, independent given the parameters."""

    def __init__(self, joint: bool = False) -> None:
        super().__init__()
        self.joint = joint
        for name, value in {"logit": 0.3, "loc": 1.5, "slope": 0.7, "offset": -0.2}.items():
            setattr(self, name, nn.Parameter(torch.full((UNITS,), value, dtype=DOUBLE)))

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        number = n if x is None else len(x)
        with pyro.plate("data", number, dim=-2), pyro.plate("units", UNITS, dim=-1):
            h = pyro.sample("h", Bernoulli(logits=self.logit))
            pyro.sample("x", Normal(self.loc * h, 1.0), obs=x)

    def guide(self, x: Tensor) -> None:
        with pyro.plate("data", len(x), dim=-2), pyro.plate("units", UNITS, dim=-1):
            pyro.sample("h", Bernoulli(logits=self.slope * x + self.offset))

    def elbo(self, x: Tensor) -> Tensor:
        h = torch.tensor([0.0, 1.0], dtype=DOUBLE)[:, None, None]
        log_q = Bernoulli(logits=self.slope * x + self.offset).log_prob(h)
        log_p = Bernoulli(logits=self.logit).log_prob(h) + Normal(self.loc * h, 1.0).log_prob(x)
        return (log_q.exp() * (log_p - log_q)).sum((0, 2))


def rows(number: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return 2 * torch.randn(number, UNITS, generator=generator, dtype=DOUBLE)


@pytest.mark.parametrize("vectorized", [True, False])
@pytest.mark.parametrize(
    "objective",
    [
        ELBO(gradient=ScoreFunction()),
        ELBO(analytic_kl=False, gradient=ScoreFunction()),
        ELBO(num_particles=3, gradient=ScoreFunction(baseline=LeaveOneOut())),
        ELBO(gradient=ScoreFunction(baseline=MovingAverage())),
    ],
    ids=repr,
)
def test_the_mean_is_the_gradient_by_enumeration(objective: ELBO, vectorized: bool) -> None:
    program, x = Rows(), rows()
    truth = exact_gradient(program.elbo(x).mean(), program)
    program.vectorized = vectorized
    agree(gradients(objective, program, x.repeat(40, 1), 150), truth)


class Event(Rows):
    """The same, the units being one site's event: every unit answers for all."""

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            h = pyro.sample("h", Bernoulli(logits=self.logit).to_event(1))
            pyro.sample("x", Normal(self.loc * h, 1.0).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("h", Bernoulli(logits=self.slope * x + self.offset).to_event(1))


def test_plates_take_noise_away() -> None:
    objective, x = ELBO(gradient=ScoreFunction()), rows()
    plates, event = (
        gradients(objective, program(), x, 150)[:, 2 * UNITS :].var(0).sum()
        for program in (Rows, Event)
    )
    assert plates < 0.5 * event


class Read(Rows):
    """The model looks at its latent in Python: nobody can follow that."""

    vectorized = False

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            h = pyro.sample("h", Bernoulli(logits=self.logit[0]))
            loc = torch.tensor([float(each) for each in h], dtype=DOUBLE)
            pyro.sample("x", Normal(loc, 1.0), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("h", Bernoulli(logits=self.slope[0] * x))


def test_what_python_reads_counts_as_seen() -> None:
    assert bind(Read(), rows()[:, 0]).dependencies.model["x"] == {"h"}
