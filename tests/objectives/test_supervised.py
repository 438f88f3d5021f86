"""The guide is scored at the values that are known, and as if it did not know them."""

from __future__ import annotations

from typing import Any

import pyro
import pytest
import torch
from pyro.distributions import Bernoulli, Categorical, Normal
from statistics_of import exact_gradient, gradients
from torch import Tensor, nn

import dgmppl
from dgmppl.binding import bind
from dgmppl.objectives import ELBO, Enumerate, ObjectiveError, Progress, Supervised

BATCH = {
    "x": torch.tensor([0.7, -1.1, 0.2, 1.9], dtype=torch.float64),
    "y": torch.tensor([2, -1, 0, -1]),
}
KNOWN = BATCH["y"] >= 0


class Labelled(dgmppl.Program):
    """y ~ Categorical, x|y ~ N(loc_y, 1), and a guide that is certain of known labels."""

    def __init__(self) -> None:
        super().__init__()
        for name, values in {
            "logits": [0.1, -0.4, 0.3],
            "loc": [-1.0, 0.5, 1.5],
            "slope": [-0.8, 0.3, 0.6],
        }.items():
            setattr(self, name, nn.Parameter(torch.tensor(values, dtype=torch.float64)))

    def model(self, x: Any = None, n: int = 1) -> Any:
        with dgmppl.data_plate(x, n):
            y = pyro.sample("y", Categorical(logits=self.logits))
            return pyro.sample("x", Normal(self.loc[y], 1.0), obs=None if x is None else x["x"])

    def guide(self, x: Any) -> None:
        certain = torch.where(x["y"][:, None] == torch.arange(3), 0.0, -1e4).double()
        logits = torch.where(x["y"][:, None] >= 0, certain, self.slope * x["x"][:, None])
        with dgmppl.data_plate(x):
            pyro.sample("y", Categorical(logits=logits))

    @property
    def log_guide(self) -> Tensor:
        """log q(y|x) by the data alone, `[B, 3]`."""
        return (self.slope * BATCH["x"][:, None]).log_softmax(-1)

    @property
    def score(self) -> Tensor:
        """Of the known labels, nats a datum."""
        return self.log_guide[KNOWN, BATCH["y"][KNOWN]].sum() / len(KNOWN)

    @property
    def bound(self) -> Tensor:
        """log p(x, y) where the label is known, and Σ_y q [log p(x, y) − log q] where not."""
        likelihood = Normal(self.loc, 1.0).log_prob(BATCH["x"][:, None])
        log_p, log_q = self.logits.log_softmax(-1) + likelihood, self.log_guide[~KNOWN]
        labelled = log_p[KNOWN, BATCH["y"][KNOWN]].sum()
        return (labelled + (log_q.exp() * (log_p[~KNOWN] - log_q)).sum()) / len(KNOWN)


SEMI = ELBO(gradient=Enumerate()) + 5 * Supervised("y")


def test_the_score_and_its_gradient_are_the_classifiers() -> None:
    program = Labelled()
    found = Supervised("y").value(bind(program, BATCH), BATCH, Progress())
    torch.testing.assert_close(found, program.score.detach())
    gradient = gradients(Supervised("y"), program, BATCH, 1)[0]
    torch.testing.assert_close(gradient, exact_gradient(program.score, program))


@pytest.mark.parametrize("analytic_kl", [True, False])
def test_a_certain_guide_makes_the_bound_of_each_row_its_own(analytic_kl: bool) -> None:
    """q is 0 at nine configurations of ten: no term of the sum is spoiled by its logarithm."""
    program, objective = Labelled(), ELBO(gradient=Enumerate(), analytic_kl=analytic_kl)
    found = objective.value(bind(program, BATCH), BATCH, Progress())
    torch.testing.assert_close(found, program.bound.detach())
    gradient = gradients(objective, program, BATCH, 1)[0]
    torch.testing.assert_close(gradient, exact_gradient(program.bound, program))


def test_a_sum_with_a_bound_is_one_step() -> None:
    program = Labelled()
    assert len(SEMI.phases(bind(program, BATCH))) == 1
    exact = program.bound + 5 * program.score
    torch.testing.assert_close(
        gradients(SEMI, program, BATCH, 1)[0], exact_gradient(exact, program)
    )


def test_no_label_no_score() -> None:
    hidden = {**BATCH, "y": torch.full_like(BATCH["y"], -1)}
    program = Labelled()
    assert Supervised("y").value(bind(program, hidden), hidden, Progress()) == 0
    assert gradients(Supervised("y"), program, hidden, 1).abs().max() == 0


class Dependent(Labelled):
    """The guide's label depends on a switch."""

    def model(self, x: Any = None, n: int = 1) -> Any:
        with dgmppl.data_plate(x, n):
            pyro.sample("h", Bernoulli(torch.tensor(0.5)))
            y = pyro.sample("y", Categorical(logits=self.logits))
            return pyro.sample("x", Normal(self.loc[y], 1.0), obs=None if x is None else x["x"])

    def guide(self, x: Any) -> None:
        with dgmppl.data_plate(x):
            h = pyro.sample("h", Bernoulli(logits=self.slope[0] * x["x"]))
            pyro.sample("y", Categorical(logits=self.slope * h[:, None]))


@pytest.mark.parametrize(
    ("site", "program", "words"),
    [("x", Labelled(), r"draws \['y'\]"), ("y", Dependent(), "site 'h'")],
)
def test_refusals(site: str, program: Labelled, words: str) -> None:
    with pytest.raises(ObjectiveError, match=words):
        Supervised(site).check(bind(program, BATCH))


def test_a_batch_without_the_entry_is_refused() -> None:
    binding = bind(Labelled(), BATCH)
    with pytest.raises(ObjectiveError, match="entry 'y', got Tensor"):
        Supervised("y").value(binding, BATCH["x"], Progress())
