"""Learning from what is observed: against exact marginals, for every pattern of missing entries."""

from __future__ import annotations

import itertools
import math
from functools import partial

import pyro
import pytest
import torch
from linear_gaussian import LinearGaussian, data
from pyro.distributions import (
    Bernoulli,
    Categorical,
    Delta,
    MultivariateNormal,
    Normal,
    OneHotCategorical,
    TransformedDistribution,
)
from pyro.distributions.transforms import planar
from statistics_of import agree, exact_gradient, gradients, values
from torch import Tensor, nn

import dgmppl
from dgmppl import Incomplete, NoDensityError, ProgramError
from dgmppl.guides import Amortized
from dgmppl.networks import FillBesideMask
from dgmppl.objectives import (
    ELBO,
    IWAE,
    VIMCO,
    DoublyReparameterized,
    Estimator,
    MaximumLikelihood,
    Objective,
    Renyi,
    ReweightedWakeSleep,
    StickingTheLanding,
    WakeSleep,
)
from dgmppl.objectives.dreams import dream

PATTERNS = torch.tensor([*itertools.product([True, False], repeat=3)])
NAN = float("nan")


def incomplete_data() -> Tensor:
    """A datum for each pattern of missing entries, `[8, 3]`; the last row is missing wholly."""
    return data(8).masked_fill(~PATTERNS, NAN)


def log_marginal(program: LinearGaussian, x: Tensor) -> Tensor:
    """The exact log-density of what is observed in each row, by the Gaussian's marginals, `[B]`."""
    cov = program.W @ program.W.T + program.sigma**2 * torch.eye(3, dtype=x.dtype)
    result = []
    for row in x:
        o = ~row.isnan()
        part = torch.distributions.MultivariateNormal(program.b[o], cov[o][:, o]) if o.any() else 0
        result.append(part.log_prob(row[o]) if part else row.new_zeros(()))
    return torch.stack(result)


class ExactGuide(nn.Module):
    """p(z | x_observed) of the linear-Gaussian model, from the entries and the mask beside them."""

    def __init__(self, program: LinearGaussian):
        super().__init__()
        self.model = (program,)  # its parameters stay the model's

    def forward(self, features: Tensor) -> Tensor:
        x, seen = features.chunk(2, -1)
        W, b, precision = self.model[0].W, self.model[0].b, self.model[0].sigma ** -2
        gram = torch.eye(2, dtype=x.dtype) + precision * torch.einsum("bd,di,dj->bij", seen, W, W)
        shift = precision * torch.einsum("bd,di,bd->bi", seen, W, x - b)
        loc = torch.linalg.solve(gram, shift)
        with dgmppl.data_plate(x):
            return pyro.sample("z", MultivariateNormal(loc, precision_matrix=gram))


def exact() -> Incomplete:
    program = LinearGaussian()
    return Incomplete(program, FillBesideMask()).with_guide(ExactGuide(program))


def test_with_the_exact_posterior_every_weight_is_the_evidence_of_what_is_observed() -> None:
    program, x = exact(), incomplete_data()
    local, _ = dgmppl.weights(program, x, num_particles=5).ratio()
    truth = log_marginal(program.program.program, x)
    torch.testing.assert_close(local, truth.expand(5, -1))
    assert local[:, -1].abs().max() < 1e-12  # nothing observed: log p = 0, q is the prior


def test_evidence_by_a_crude_guide_agrees() -> None:
    inner, x = LinearGaussian(wrong=0.5), incomplete_data()
    with torch.no_grad():
        inner.log_scale.fill_(0.2)  # no narrower than any posterior: weights of finite variance
    found = dgmppl.evidence(Incomplete(inner), x, 50_000, seed=0)
    assert found.value is not None and found.standard_error is not None
    distance = (found.value - log_marginal(inner, x)).abs()
    assert (distance <= 4 * found.standard_error).all()
    assert found.standard_error.max() < 0.05


def test_the_elbo_is_the_closed_form_of_what_is_observed_and_below_the_evidence() -> None:
    inner, x = LinearGaussian(wrong=0.5), incomplete_data()
    seen, filled = ~x.isnan(), x.nan_to_num(0.0)
    loc, scale = filled @ inner.gain.T + inner.offset, inner.log_scale.exp()
    error = (filled - inner.b - loc @ inner.W.T).square() + inner.W.square() @ scale**2
    entries = -0.5 * (math.log(2 * math.pi) + 2 * inner.log_sigma + error / inner.sigma**2)
    elbo = (entries * seen).sum(-1) - inner.divergence(filled)
    agree(values(ELBO(), Incomplete(inner), x.repeat(500, 1), 30), elbo.mean().detach())
    assert (elbo < log_marginal(inner, x)).all()


def miwae(inner: LinearGaussian, x: Tensor, num_particles: int) -> Tensor:
    """The MIWAE bound written by hand, row by row, on the entries that are there."""
    loc = x.nan_to_num(0.0) @ inner.gain.T + inner.offset
    q = Normal(loc.expand(num_particles, -1, -1), inner.log_scale.exp())
    z = q.rsample()
    bounds = []
    for i, row in enumerate(x):
        o = ~row.isnan()
        p = Normal(z[:, i] @ inner.W[o].T + inner.b[o], inner.sigma).log_prob(row[o]).sum(-1)
        prior = Normal(torch.zeros(2, dtype=x.dtype), 1.0).log_prob(z[:, i]).sum(-1)
        log_w = p + prior - q.log_prob(z)[:, i].sum(-1)
        bounds.append(torch.logsumexp(log_w, 0) - math.log(num_particles))
    return torch.stack(bounds).mean()


def test_the_miwae_bound_and_its_gradient_are_those_written_by_hand() -> None:
    inner, x = LinearGaussian(wrong=0.5), incomplete_data()
    binding = dgmppl.bind(Incomplete(inner), x)
    torch.manual_seed(3)
    loss = IWAE(6).phases(binding)[0].loss(binding, x, dgmppl.objectives.Progress())
    torch.manual_seed(3)
    truth = miwae(inner, x, 6)
    torch.testing.assert_close(loss.value, truth.detach())
    torch.testing.assert_close(exact_gradient(-loss.surrogate, inner), exact_gradient(truth, inner))


@pytest.mark.parametrize(
    "gradient", [DoublyReparameterized(), VIMCO()], ids=lambda o: type(o).__name__
)
def test_other_estimators_of_its_gradient_agree(gradient: Estimator) -> None:
    program, x = Incomplete(LinearGaussian(wrong=0.5)), incomplete_data().repeat(50, 1)
    pathwise = gradients(IWAE(3), program, x, 40)
    agree(gradients(IWAE(3, gradient=gradient), program, x, 40), pathwise)


OBJECTIVES = (
    ELBO(),
    ELBO(gradient=StickingTheLanding()),
    IWAE(5),
    IWAE(5, gradient=VIMCO()),
    Renyi(5),
    WakeSleep(),
    ReweightedWakeSleep(5, guide_sleeps=True),
)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: type(o).__name__)
def test_every_objective_learns_what_is_observed(objective: Objective) -> None:
    truth, learner = LinearGaussian(), LinearGaussian(wrong=1.0)
    x = truth.model(n=400).detach()
    x = x.masked_fill(torch.rand(x.shape) < 0.5, NAN)
    with torch.no_grad():
        learner.b += 1.0
    before, best = log_marginal(learner, x).mean(), log_marginal(truth, x).mean()
    dgmppl.fit(
        Incomplete(learner),
        x,
        objective,
        epochs=12,
        batch_size=100,
        optimizer=partial(torch.optim.Adam, lr=0.06),
        progress=False,
    )
    after = log_marginal(learner, x).mean()
    assert after > before + 0.7 * (best - before)
    assert all(bool(torch.isfinite(p).all()) for p in learner.parameters())


def test_a_mask_is_the_same_as_nan() -> None:
    program, x = Incomplete(LinearGaussian(wrong=0.5)), incomplete_data()
    masked = {"x": torch.where(x.isnan(), 1e30, x), "mask": ~x.isnan()}
    torch.manual_seed(0)
    tables = dgmppl.weights(program, x, 4)
    torch.manual_seed(0)
    others = dgmppl.weights(program, masked, 4)
    assert torch.equal(tables.log_p["x"], others.log_p["x"])
    assert torch.equal(tables.log_q["z"], others.log_q["z"])


def test_rows_do_not_look_at_each_other() -> None:
    program, x = exact(), incomplete_data()
    local, _ = dgmppl.weights(program, x).ratio()
    order = torch.randperm(8)
    shuffled, _ = dgmppl.weights(program, x[order]).ratio()
    padded, _ = dgmppl.weights(program, torch.cat([x, x.new_full((3, 3), NAN)])).ratio()
    torch.testing.assert_close(shuffled, local[:, order])
    torch.testing.assert_close(padded[:, :8], local)


class Survey(dgmppl.Program):
    """A hidden class, two yes-or-no answers and a choice of three, `{"answers", "choice"}`."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.logits, self.answers = nn.Parameter(torch.randn(2)), nn.Parameter(torch.randn(2, 2))
        self.choices = nn.Parameter(torch.randn(2, 3))

    def model(self, x: dict[str, Tensor] | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            h = pyro.sample("h", Categorical(logits=self.logits))
            given = x or {"answers": None, "choice": None}
            answers = Bernoulli(logits=self.answers[h]).to_event(1)
            pyro.sample("answers", answers, obs=given["answers"])
            pyro.sample("choice", Categorical(logits=self.choices[h]), obs=given["choice"])


ANSWERS = torch.tensor([[0.0, 1.0], [NAN, 1.0], [NAN, NAN], [1.0, NAN]])
CHOICE = {"x": torch.tensor([2, 0, 1, 0]), "seen": torch.tensor([True, False, True, False])}


def test_discrete_entries_are_summed_over() -> None:
    """log p(observed) = log Σ p(completed), over every completion."""
    program = Survey()
    masked = {
        "x": {"answers": ANSWERS, "choice": CHOICE["x"]},
        "mask": {"choice": CHOICE["seen"]},
    }
    found = dgmppl.evidence(Incomplete(program), masked)
    assert found.kind == "exact" and found.value is not None
    for i, (answers, choice, seen) in enumerate(
        zip(ANSWERS, CHOICE["x"], CHOICE["seen"], strict=True)
    ):
        options = [[float(a)] if a == a else [0.0, 1.0] for a in answers]
        rows = [*itertools.product(*options, [int(choice)] if seen else range(3))]
        full = {
            "answers": torch.tensor([row[:2] for row in rows]),
            "choice": torch.tensor([row[2] for row in rows]),
        }
        parts = dgmppl.evidence(program, full).value
        assert parts is not None
        torch.testing.assert_close(found.value[i], torch.logsumexp(parts, 0))


def test_exact_likelihood_learns_from_incomplete_answers() -> None:
    x = {"x": {"answers": ANSWERS, "choice": CHOICE["x"]}, "mask": {"choice": CHOICE["seen"]}}
    run = dgmppl.fit(
        Incomplete(Survey()),
        x,
        MaximumLikelihood(),
        epochs=50,
        optimizer=partial(torch.optim.Adam, lr=0.05),
        progress=False,
    )
    column = [row["value"] for row in run.history.epochs]
    assert column[-1] > column[0] + 0.3


def test_dreams_miss_what_the_batch_misses() -> None:
    x = incomplete_data()
    masked = {"x": x.nan_to_num(7.0), "mask": ~x.isnan()}
    dreamt = dream(dgmppl.bind(Incomplete(LinearGaussian()), masked), masked).x
    assert torch.equal(dreamt.isnan(), x.isnan())
    assert not (dreamt == x).any()


def test_any_guide_stands_beside_it() -> None:
    program, x = Incomplete(LinearGaussian()), incomplete_data()
    guide = Amortized(program, nn.Linear(3, 4).double(), x)
    run = dgmppl.fit(program, x, guide=guide, epochs=2, progress=False)
    assert isinstance(run.program, Incomplete)
    assert math.isfinite(run.history.epochs[-1]["value"])

    def model(x: Tensor) -> None:
        with pyro.plate("rows", len(x), dim=-2), pyro.plate("columns", 3, dim=-1):
            pyro.sample("x", Normal(pyro.param("loc", torch.zeros(3)), 1.0), obs=x)

    table = dgmppl.weights(Incomplete(dgmppl.Pair(model)), x).log_p["x"]
    expected = Normal(0.0, 1.0).log_prob(x.nan_to_num(0.0)) * ~x.isnan()
    torch.testing.assert_close(table, expected.sum(-1)[None])


def test_posterior_shows_what_is_missing() -> None:
    found = dgmppl.posterior(Incomplete(LinearGaussian()), incomplete_data(), 2)
    shown = torch.as_tensor(found["observed_data"]["x"].values)
    assert torch.equal(shown.isnan().reshape(8, 3), incomplete_data().isnan())


def written(sample: object) -> type[dgmppl.Program]:
    """A program without latents from a function of the data."""

    class Written(dgmppl.Program):
        def model(self, x: Tensor | None = None, n: int = 1) -> None:
            with dgmppl.data_plate(x, n):
                sample(x)  # type: ignore[operator]

    return Written


def whole(x: Tensor) -> Tensor:
    return pyro.sample("x", MultivariateNormal(torch.zeros(3), torch.eye(3)), obs=x)


def flow(x: Tensor) -> Tensor:
    base = Normal(torch.zeros(3), 1.0).to_event(1)
    return pyro.sample("x", TransformedDistribution(base, [planar(3)]), obs=x)


def drawn(x: Tensor) -> Tensor:
    return dgmppl.implicit("x", torch.zeros(len(x), 3), obs=x)


def chain(x: Tensor) -> Tensor:
    first = pyro.sample("first", Normal(0.0, 1.0), obs=x[..., 0])
    return pyro.sample("second", Normal(first, 1.0), obs=x[..., 1])


def point(x: Tensor) -> Tensor:
    return pyro.sample("x", Delta(torch.zeros(3)).to_event(1), obs=x)


HOLE = torch.tensor([[1.0, 2.0, 3.0], [NAN, 1.0, 2.0]])


@pytest.mark.parametrize(
    ("sample", "kind", "message"),
    [
        (whole, NoDensityError, r"'x' \(MultivariateNormal\).*as a whole.*Try.*to_event"),
        (flow, NoDensityError, r"'x' \(TransformedDistribution\).*as a whole"),
        (drawn, NoDensityError, "'x' is implicit.*Try a likelihood"),
        (chain, ProgramError, "depends on a missing entry.*Try a site without obs"),
        (point, ProgramError, "'x' observes 1 values that are NaN"),
    ],
)
def test_what_cannot_be_left_out_is_refused(
    sample: object, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=f"(?s){message}"):
        dgmppl.bind(Incomplete(written(sample)()), HOLE)


def test_whole_events_can_be_left_out() -> None:
    rows = torch.tensor([[1.0, 2.0, 3.0], [NAN, NAN, NAN]])
    table = dgmppl.weights(Incomplete(written(whole)()), rows).log_p["x"]
    truth = MultivariateNormal(torch.zeros(3), torch.eye(3)).log_prob(rows[0])
    torch.testing.assert_close(table[0], torch.stack([truth, torch.zeros(())]))


def test_one_hot_pixels_can_be_left_out_one_by_one() -> None:
    logits = torch.tensor([[0.1, 0.5, 1.0], [0.3, -0.5, 0.0]])  # two pixels of three values
    x = torch.eye(3)[torch.tensor([[0, 2], [1, 1]])]
    x[0, 1] = NAN

    def sample(x: Tensor) -> Tensor:
        return pyro.sample("x", OneHotCategorical(logits=logits).to_event(1), obs=x)

    table = dgmppl.weights(Incomplete(written(sample)()), x).log_p["x"][0]
    log_p = logits.log_softmax(-1)
    torch.testing.assert_close(table, torch.stack([log_p[0, 0], log_p[0, 1] + log_p[1, 1]]))


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mask of shape \(2, 3\) beside entry 'x'.*got shape"):
        dgmppl.bind(Incomplete(LinearGaussian()), {"x": HOLE, "mask": torch.ones(2).bool()})


def test_nan_is_let_through_to_programs_that_read_it_and_to_no_other() -> None:
    x = incomplete_data()
    with pytest.raises(ValueError, match=r"NaN or infinite.*Try.*dgmppl\.Incomplete"):
        dgmppl.fit(LinearGaussian(), x, epochs=1, progress=False)
    dgmppl.fit(Incomplete(LinearGaussian()), x, epochs=1, progress=False)
    x[0, 0] = torch.inf
    with pytest.raises(ValueError, match="1 NaN or infinite"):
        dgmppl.fit(Incomplete(LinearGaussian()), x, epochs=1, progress=False)
