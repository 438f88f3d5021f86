"""Imputations against exact conditional distributions."""

from __future__ import annotations

import itertools
import math
import warnings

import pyro
import pytest
import torch
from linear_gaussian import LinearGaussian
from pyro.distributions import Bernoulli, Categorical, Normal
from statistics_of import agree
from torch import Tensor, nn

import dgmppl
from dgmppl import Incomplete, ProgramError, impute

NAN = float("nan")
ROW = torch.tensor([[0.7, NAN, NAN]], dtype=torch.float64)


def conditional(program: LinearGaussian, row: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of a row's missing entries given the others."""
    o, m = ~row.isnan(), row.isnan()
    cov = program.W @ program.W.T + program.sigma**2 * torch.eye(3, dtype=row.dtype)
    gain = torch.linalg.solve(cov[o][:, o], cov[o][:, m]).T
    mean = program.b[m] + gain @ (row[o] - program.b[o])
    return mean.detach(), (cov[m][:, m] - gain @ cov[o][:, m]).detach()


def crude() -> LinearGaussian:
    """A guide that is off, but no narrower than the posterior."""
    program = LinearGaussian(wrong=0.5)
    with torch.no_grad():
        program.log_scale.fill_(0.2)
    return program


@pytest.mark.parametrize("looped", [False, True])
def test_mean_and_covariance_are_the_exact_conditional_ones(looped: bool) -> None:
    inner, copies, count = crude(), 20 if looped else 600, 20 if looped else 5
    program = Incomplete(inner)
    program.vectorized = not looped
    found = impute(program, ROW.repeat(copies, 1), count, 100 if looped else 1000, seed=0)
    mean, cov = conditional(inner, ROW[0])
    draws = found.draws["x"].flatten(0, 1)[:, 1:]
    assert found.draws["x"].shape == (count, copies, 3)
    agree(draws, mean)
    error = draws - mean
    agree((error[:, :, None] * error[:, None]).flatten(1), cov.flatten())
    agree(found.mean["x"][:, 1:], mean)
    assert found.mean["x"][:, 1:].std(0).max() < 0.5 * draws.std(0).min()  # the noise is averaged


def test_what_is_observed_is_untouched() -> None:
    x = torch.randn(7, 3, dtype=torch.float64)
    part = x.masked_fill(torch.rand(7, 3) < 0.5, NAN)
    seen = ~part.isnan()
    masked = {"x": torch.where(seen, x, 9.0), "mask": seen}
    found = impute(Incomplete(crude()), masked, 4, 500, seed=0)
    assert torch.equal(found.given["x"].isnan(), ~seen)
    for table in (*found.draws["x"], found.mean["x"]):
        assert torch.equal(table[seen], x[seen])
        assert not (table[~seen] == 9.0).any() and bool(table.isfinite().all())
    same = impute(Incomplete(crude()), part, 4, 500, seed=0)
    assert torch.equal(same.draws["x"], found.draws["x"])


def test_the_effective_sample_size_is_that_of_all_draws() -> None:
    """E[w²] / E[w]² in closed form: a prior as guide, one observed number."""

    class Line(dgmppl.Program):
        def model(self, x: Tensor | None = None, n: int = 1) -> None:
            with dgmppl.data_plate(x, n):
                z = pyro.sample("z", Normal(torch.zeros(()), 1.0))
                pyro.sample("x", Normal(torch.stack([z, z], -1), 1.0).to_event(1), obs=x)

        def guide(self, x: Tensor) -> None:
            with dgmppl.data_plate(x):
                pyro.sample("z", Normal(torch.zeros(()), 1.0))

    x = torch.tensor([[1.5, NAN]]).repeat(20, 1)
    found = impute(Incomplete(Line()), x, 2, 4000, rows=1000, seed=0)
    # (∫ N(x; z, 1) N(z; 0, 1) dz)² over ∫ N(x; z, 1)² N(z; 0, 1) dz
    normal, point = torch.distributions.Normal, torch.tensor(1.5)
    first = normal(0.0, 2**0.5).log_prob(point)
    second = normal(0.0, 1.5**0.5).log_prob(point) - math.log(4 * math.pi) / 2
    agree(found.effective_sample_size / 4000, (2 * first - second).exp())
    assert not found.scarce.any() and "2 imputations of 20 data" in str(found)


class Survey(dgmppl.Program):
    """A hidden class, three yes-or-no answers and a choice, `{"answers", "choice"}`."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.answers, self.choices = (
            nn.Parameter(torch.randn(2, 3)),
            nn.Parameter(torch.randn(2, 3)),
        )

    def model(self, x: dict[str, Tensor] | None = None, n: int = 1) -> None:
        given = x or {"answers": None, "choice": None}
        with dgmppl.data_plate(x, n):
            h = pyro.sample("h", Bernoulli(0.4)).long()
            pyro.sample(
                "answers", Bernoulli(logits=self.answers[h]).to_event(1), obs=given["answers"]
            )
            pyro.sample("choice", Categorical(logits=self.choices[h]), obs=given["choice"])

    def guide(self, x: dict[str, Tensor]) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("h", Bernoulli(0.6))


def test_discrete_imputations_have_the_exact_probabilities() -> None:
    program, number = Survey(), 400
    x = {"answers": torch.tensor([[1.0, NAN, NAN]]), "choice": torch.tensor([NAN])}
    rows = [*itertools.product([1.0], [0.0, 1.0], [0.0, 1.0], range(3))]
    table = torch.tensor(rows)
    full = {"answers": table[:, :3], "choice": table[:, 3].long()}
    value = dgmppl.evidence(program, full).value
    assert value is not None
    truth = torch.softmax(value.double(), 0)
    copies = {name: tensor.repeat_interleave(number, 0) for name, tensor in x.items()}
    found = impute(Incomplete(program), copies, 5, 200, seed=0)
    drawn = torch.cat([found.draws["answers"], found.draws["choice"][..., None]], -1).flatten(0, 1)
    agree((drawn[:, None] == table).all(-1).double(), truth.detach())
    means = (truth[:, None] * full["answers"]).sum(0).detach()
    agree(found.mean["answers"], means)
    assert "choice" not in found.mean  # categories have no mean


def test_without_latents_what_is_missing_follows_the_likelihood() -> None:
    class Noise(dgmppl.Program):
        def model(self, x: Tensor | None = None, n: int = 1) -> None:
            with dgmppl.data_plate(x, n):
                pyro.sample("x", Normal(torch.tensor([1.0, 3.0]), 2.0).to_event(1), obs=x)

    x = torch.tensor([[0.0, NAN]]).repeat(500, 1)
    found = impute(Incomplete(Noise()), x, 10, 10, seed=0)
    agree(found.draws["x"].flatten(0, 1)[:, 1], torch.tensor(3.0))
    assert torch.equal(found.mean["x"], torch.tensor([[0.0, 3.0]]).expand(500, 2))


def test_few_effective_draws_are_told_of() -> None:
    inner = crude()
    with torch.no_grad():
        inner.offset += 30.0
    with pytest.warns(UserWarning, match="1 of 1 data leave fewer effective draws than the 10"):
        found = impute(Incomplete(inner), ROW, 10, 50, seed=0)
    assert found.scarce.all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        impute(Incomplete(crude()), ROW, 10, 500, seed=0)


def test_it_leaves_no_trace_and_follows_its_seed() -> None:
    program = Incomplete(crude()).train()
    state = torch.get_rng_state()
    first, second = (impute(program, ROW, 3, 50, seed=4) for _ in range(2))
    assert torch.equal(first.draws["x"], second.draws["x"])
    assert torch.equal(torch.get_rng_state(), state) and program.training
    assert not first.draws["x"].requires_grad


class Shared(LinearGaussian):
    """A latent for all data."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        pyro.sample("w", Normal(0.0, 1.0))
        return super().model(x, n)

    def guide(self, x: Tensor) -> Tensor:
        pyro.sample("w", Normal(0.0, 1.0))
        return super().guide(x)


class Bare(LinearGaussian):
    """No guide."""

    guide = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("program", "x", "message"),
    [
        (
            LinearGaussian(),
            ROW.nan_to_num(0.0),
            r"program that reads.*dgmppl.Incomplete",
        ),
        (Incomplete(Bare()), ROW, r"'z'.*need a guide.*Try with_guide"),
        (Incomplete(Shared()), ROW, r"'w' is shared by all data.*Try a model"),
    ],
)
def test_what_cannot_be_imputed_is_refused(program: nn.Module, x: Tensor, message: str) -> None:
    with pytest.raises(ProgramError, match=f"(?s){message}"):
        impute(program, x)
