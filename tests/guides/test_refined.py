"""Guides that refine themselves: what their steps gain, what they leave alone, what they refuse."""

from __future__ import annotations

import pickle
from typing import Any

import pyro
import pytest
import torch
from linear_gaussian import LinearGaussian, data
from pyro.distributions import Bernoulli, Categorical, Gamma, Normal, Poisson
from statistics_of import agree, gradients, mean_and_error
from torch import Tensor, nn

import dgmppl
from dgmppl.guides import Amortized, Beside, Iterative, SemiAmortized
from dgmppl.guides.prediction_errors import errors_size, prediction_errors
from dgmppl.objectives import (
    ELBO,
    IWAE,
    DoublyReparameterized,
    ObjectiveError,
    Progress,
    ReweightedWakeSleep,
    ScoreFunction,
    StickingTheLanding,
    WakeSleep,
)

DOUBLE = torch.float64


class Tower(dgmppl.Program):
    """z2 → z1 → x: an interval, then a plain number."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor([1.0, -0.5, 0.8], dtype=DOUBLE))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            rate = pyro.sample("rate", Gamma(torch.tensor(2.0, dtype=DOUBLE), 1.0))
            z = pyro.sample("z", Normal(torch.zeros(2, dtype=DOUBLE), rate[..., None]).to_event(1))
            loc = z.sum(-1, keepdim=True) * self.slope
            return pyro.sample("x", Normal(loc, 0.6).to_event(1), obs=x)


def semi(program: nn.Module, x: Any, **settings: Any) -> SemiAmortized:
    torch.manual_seed(0)
    return SemiAmortized(program, nn.Identity(), x, **{"rate": 0.1, **settings})


def iterative(program: nn.Module, x: Any, **settings: Any) -> Iterative:
    torch.manual_seed(0)
    settings = {"features": nn.Identity(), "errors": nn.Linear(3, 2, dtype=DOUBLE), **settings}
    return Iterative(program, example=x, hidden_features=16, **settings)


def exact_bound(program: LinearGaussian, x: Tensor, parameters: Tensor) -> Tensor:
    """The evidence lower bound of a linear-Gaussian model at λ = (μ, log σ), `[B]`."""
    loc, log_scale = parameters.chunk(2, -1)
    error = (x - program.b - loc @ program.W.T).square().sum(-1)
    spread = (log_scale.mul(2).exp() * program.W.square().sum(0)).sum(-1)
    likelihood = Normal(0.0, program.sigma).log_prob(torch.zeros(3, dtype=DOUBLE)).sum()
    kl = 0.5 * (loc**2 + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(-1)
    return likelihood - 0.5 * (error + spread) / program.sigma**2 - kl


def test_the_inner_bound_is_the_bound() -> None:
    program, x = LinearGaussian(), data()
    guide = semi(program, x, num_particles=20_000)
    parameters = torch.randn(4, 4, dtype=DOUBLE) / 2
    with torch.no_grad():
        tables = guide.bound.tables(x, parameters)
        exact = exact_bound(program, x, parameters)
        ratio = torch.as_tensor(tables.ratio()[0])
    mean, error = mean_and_error(ratio.reshape(2, -1, 4).mean(0))  # a draw and its mirror image
    assert ((mean - exact).abs() < 4 * error).all()
    assert torch.allclose(guide.bound.value(tables), exact, atol=0.15)


def test_the_slope_by_the_mean_has_no_noise_where_the_model_is_quadratic() -> None:
    program, x = LinearGaussian(), data()
    parameters = torch.randn(4, 4, dtype=DOUBLE, requires_grad=True)
    (exact,) = torch.autograd.grad(exact_bound(program, x, parameters).sum(), parameters)
    slope, _ = semi(program, x).bound.slope(x, parameters)
    assert torch.allclose(slope[:, :2], exact[:, :2])
    assert not torch.allclose(slope[:, 2:], exact[:, 2:])


def test_every_step_of_ascent_raises_the_bound_up_to_the_evidence() -> None:
    """The amortised start is a random one here; the posterior of this model is a mean field."""
    program, x = LinearGaussian(), data(6)
    guide = semi(program, x, steps=80, rate=0.03, num_particles=500)
    with torch.no_grad():
        bounds = torch.stack([exact_bound(program, x, at).mean() for at in guide.path(x)])
    exact = program.log_evidence(x).mean()
    assert (bounds[1:11] > bounds[:10]).all()
    assert bounds[0] < exact - 1
    assert exact - 0.02 < bounds[-1] <= exact


def test_a_learned_update_raises_the_bound_step_by_step() -> None:
    """Told nothing of the data but slopes and errors, it climbs on data that it never saw."""
    program, x = LinearGaussian().requires_grad_(False), data(50)
    guide = iterative(program, x, features=nn.Threshold(1e9, 0.0), steps=3, num_particles=5)
    guided = program.with_guide(guide)
    learn(guided, x, steps=120)
    fresh = data(200, seed=5)
    with torch.no_grad():
        bounds = [float(exact_bound(program, fresh, at).mean()) for at in guide.eval().path(fresh)]
    exact = float(program.log_evidence(fresh).mean())
    assert bounds == sorted(bounds)
    assert exact - bounds[-1] < 0.2 < 1 < exact - bounds[0]


def test_in_training_a_datum_stops_after_any_number_of_steps() -> None:
    program, x = LinearGaussian(), data(400)
    guide = iterative(program, x, steps=4).train()
    path = torch.stack(guide.path(x))
    moved = (path[1:] != path[:-1]).any(-1)
    assert (moved[1:] <= moved[:-1]).all()  # and none goes on
    counts = torch.bincount(moved.sum(0), minlength=5)
    assert counts[0] == 0 and ((counts[1:] - 100).abs() < 4 * 75**0.5).all()
    with torch.no_grad():
        path = torch.stack(guide.eval().path(x))
    assert (path[1:] != path[:-1]).any(-1).all()


def learn(program: Any, x: Any, steps: int) -> None:
    binding, objective = dgmppl.bind(program, x), ELBO(num_particles=4)
    optimizer = torch.optim.Adam(program.modules_found.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        objective.phases(binding)[0].loss(binding, x, Progress()).surrogate.backward()
        optimizer.step()


@pytest.mark.parametrize("program", [LinearGaussian(), Tower()], ids=["one", "two"])
def test_gradients_through_the_steps_are_finite_differences(program: dgmppl.Program) -> None:
    """By the start's parameters and by the model's, at the same noise."""
    x = data()
    guided = program.with_guide(semi(program, x, steps=4, clip=1.0))  # some slopes are clipped
    binding = dgmppl.bind(guided, x)
    parameters = [p for p in guided.parameters() if p is not getattr(program, "gain", None)]

    def value() -> Tensor:
        torch.manual_seed(3)
        return ELBO(num_particles=2).phases(binding)[0].loss(binding, x, Progress()).surrogate

    grads = torch.autograd.grad(value(), parameters, allow_unused=True)
    for parameter, grad in zip(parameters, grads, strict=True):
        if grad is None:
            continue
        entry, step = parameter.data.view(-1)[-1:], 1e-6
        entry += step
        up = value().item()
        entry -= 2 * step
        number = (up - value().item()) / (2 * step)
        entry += step
        assert grad.flatten()[-1].item() == pytest.approx(number, rel=1e-4, abs=1e-7)
    assert sum(grad is not None for grad in grads) >= 3


@pytest.mark.parametrize("kind", [semi, iterative])
@pytest.mark.parametrize(
    ("objective", "reference"),
    [
        (IWAE(num_particles=3, gradient=DoublyReparameterized()), IWAE(num_particles=3)),
        (ELBO(gradient=StickingTheLanding()), ELBO(analytic_kl=False)),
        (ELBO(gradient=ScoreFunction()), ELBO()),
    ],
    ids=["dreg", "stl", "score"],
)
def test_estimators_agree(kind: Any, objective: Any, reference: Any) -> None:
    program, x = LinearGaussian(), data().repeat(100, 1)
    guided = program.with_guide(kind(program, x, steps=2)).eval()
    agree(gradients(objective, guided, x, 30), gradients(reference, guided, x, 30), errors=5)


def test_estimators_agree_on_two_sites() -> None:
    """There fixed scores run the guide a second time, from the same random state."""
    program, x = Tower(), data().repeat(100, 1)
    guided = program.with_guide(semi(program, x, steps=2))
    reference = gradients(ELBO(analytic_kl=False), guided, x, 30)
    agree(gradients(ELBO(gradient=StickingTheLanding()), guided, x, 30), reference, errors=5)


@pytest.mark.parametrize("vectorized", [True, False])
@pytest.mark.parametrize("kind", [semi, iterative])
def test_evidence_draws_and_checkpoints(kind: Any, vectorized: bool) -> None:
    program, x = LinearGaussian(), data()
    program.vectorized = vectorized
    guided = program.with_guide(kind(program, x, steps=3))
    number = 2000 if vectorized else 10
    found = dgmppl.evidence(guided, x, number, seed=0)
    assert found.value is not None and found.standard_error is not None
    gap = (found.value - program.log_evidence(x).detach()).abs()
    assert (gap < 5 * found.standard_error + (0.0 if vectorized else 2.0)).all()
    assert dgmppl.posterior(guided, x, 10, seed=0).posterior["z"].shape == (1, 10, 4, 2)
    assert dgmppl.diagnose(guided, x, 20, seed=0).k_hat.shape == (4,)
    assert dgmppl.generate(guided, 3)["x"].shape == (3, 3)
    assert dgmppl.generate(guided, x=x, posterior=True)["z"].shape == (4, 2)
    twin = pickle.loads(pickle.dumps(guided))
    twin.load_state_dict(guided.state_dict())
    assert torch.equal(found.value, dgmppl.evidence(twin, x, number, seed=0).value)
    own = {name for name, _ in guided.named_parameters() if name.startswith("modules_found")}
    assert own.isdisjoint(f"modules_found.0.{name}" for name, _ in program.named_parameters())


@pytest.mark.parametrize("kind", [semi, iterative])
def test_fit_moves_model_and_guide(kind: Any) -> None:
    program, x = LinearGaussian(), data(40)
    guide = kind(program, x, steps=2)
    before = [p.detach().clone() for p in (program.W, *guide.parameters())]
    run = dgmppl.fit(program, x, guide=guide, epochs=2, batch_size=20, validation=x, progress=False)
    after = (program.W, *guide.parameters())
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert run.history.epochs[-1]["validation"] < 0


def test_handlers_around_the_guide_do_not_reach_its_steps() -> None:
    """Particles, powers and imposed values change neither λ nor the number of its draws."""
    program, x = LinearGaussian(), data()
    guided = program.with_guide(semi(program, x, steps=3))
    binding = dgmppl.bind(guided, x)
    locs = []
    for objective in (ELBO(), ELBO(temper=5.0), IWAE(num_particles=7)):
        torch.manual_seed(0)
        tables = dgmppl.weights(binding, x, objective.num_particles)
        objective.loss(binding, x, Progress())
        locs.append(tables.runs[0].guide["z"]["fn"].base_dist.loc)
    assert all(torch.equal(loc.reshape(-1, 4, 2)[0], locs[0]) for loc in locs)


class Decoder(dgmppl.Program):
    """A decoder with running statistics and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 3))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
            return pyro.sample("x", Bernoulli(logits=self.net(z)).to_event(1), obs=x)


def test_the_steps_leave_running_statistics_and_dropout_alone() -> None:
    program, x = Decoder(), torch.ones(4, 3)
    guided = program.with_guide(SemiAmortized(program, nn.Identity(), x, steps=3))
    guided.train()
    binding = dgmppl.bind(guided, x)
    dgmppl.weights(binding, x)
    assert program.net[1].num_batches_tracked == 1  # the objective's own run
    assert program.net[2].training


MASK = torch.arange(6)[:, None] > 0


def model_of_rows(x: Tensor, y: Tensor, size: int = 100) -> None:
    slope = pyro.param("slope", torch.ones(()))
    with pyro.plate("rows", size, subsample=x):
        z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
        with pyro.poutine.mask(mask=MASK[:, 0]):
            pyro.sample("y", Normal(slope * z.sum(-1) + x[:, 0], 1.0), obs=y)


class Both(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([x, y[:, None]], -1)


def test_unmodified_pyro_models() -> None:
    """A declared parameter takes part in the steps; N/B does not, and a masked datum stays put."""
    pair, batch = dgmppl.Pair(model_of_rows), (torch.randn(6, 3), torch.ones(6))
    whole = dgmppl.Pair(lambda x, y: model_of_rows(x, y, size=6))
    slopes = []
    for program in (pair, whole):
        guide = SemiAmortized(program, Both(), batch, steps=2)
        binding = dgmppl.bind(program.with_guide(guide), batch)
        assert "program.declared.slope" in binding.roles["guide"]
        slopes.append(guide.bound.slope(batch, torch.zeros(6, 4))[0][:, :2])  # by the mean: exact
    assert torch.allclose(*slopes, atol=1e-5)
    assert torch.allclose(slopes[0], (batch[1] - batch[0][:, 0])[:, None] * MASK, atol=1e-5)
    learned = Iterative(pair, Both(), batch, errors=nn.Linear(1, 2), num_particles=2)
    assert dgmppl.weights(pair.with_guide(learned), batch, 3).log_q["z"].shape == (3, 6)


@pytest.mark.parametrize("objective", [WakeSleep(), ReweightedWakeSleep(2)], ids=repr)
def test_players_apart(objective: WakeSleep) -> None:
    """Ascent takes the model's parameters into the guide; a learned update's inputs do not."""
    program, x = LinearGaussian(), data(20)
    guided = dgmppl.bind(program.with_guide(semi(program, x, steps=1)), x)
    assert set(guided.roles["model"]) <= set(guided.roles["guide"])
    with pytest.raises(ObjectiveError, match=r"program\.W.* takes part in the model and in the gu"):
        objective.check(guided)
    guide = iterative(program, x)
    guided = dgmppl.bind(program.with_guide(guide), x)
    assert not set(guided.roles["model"]) & set(guided.roles["guide"])
    dgmppl.fit(program, x, objective, guide=guide, epochs=1, progress=False)


def test_no_steps_are_the_amortised_guide() -> None:
    program, x = LinearGaussian(), data()
    guide = semi(program, x, steps=0)
    other = Amortized(program, nn.Identity(), x)
    other.heads[0].linear.load_state_dict(guide.start.state_dict())
    pairs = [
        dgmppl.weights(program.with_guide(g), x).runs[0].guide["z"]["fn"] for g in (guide, other)
    ]
    assert torch.equal(pairs[0].base_dist.loc, pairs[1].base_dist.loc)
    assert torch.equal(pairs[0].base_dist.scale, pairs[1].base_dist.scale)


class Seen(dgmppl.Program):
    """A matrix of counts in a plate of their own, some of them masked, and a number."""

    def model(self, x: Any = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(0.0, 1.0))
            pyro.sample("y", Normal(z, 1.0), obs=x["y"])
            with pyro.plate("parts", 2, dim=-2), pyro.poutine.mask(mask=x["mask"]):
                rate = z.exp()[..., None].expand(*z.shape, 3)
                pyro.sample("counts", Poisson(rate).to_event(1), obs=x["counts"])


def test_prediction_errors_are_means_over_draws_of_what_is_seen() -> None:
    x = {
        "y": torch.randn(4),
        "counts": torch.randint(5, (2, 4, 3)).float(),
        "mask": (torch.arange(8) % 3 > 0).reshape(2, 4),
    }
    program = Seen()
    guided = program.with_guide(Amortized(program, Column(), x))
    for number in (1, 5):
        tables = dgmppl.weights(guided, x, number)
        z = tables.runs[0].guide["z"]["value"].reshape(number, 4)
        counts = x["counts"] - z[:, None, :, None].exp()
        counts = torch.where(x["mask"][..., None], counts, 0.0).mean(0).movedim(1, 0).flatten(1)
        expected = torch.cat([(x["y"] - z).mean(0)[:, None], counts], 1)
        assert torch.allclose(prediction_errors(tables), expected, atol=1e-5)
        assert errors_size(tables.binding) == expected.shape[1] == 7


class Column(nn.Module):
    def forward(self, x: dict[str, Tensor]) -> Tensor:
        return x["y"][:, None]


class Shared(dgmppl.Program):
    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        w = pyro.sample("w", Normal(0.0, 1.0))
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", Normal(w * torch.ones(3), 1.0).to_event(1), obs=x)


class Counted(dgmppl.Program):
    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
            return pyro.sample("x", Categorical(logits=z), obs=x)


def test_refusals() -> None:
    x = torch.ones(4, 3)
    with pytest.raises(dgmppl.ProgramError, match="'w' is global"):
        SemiAmortized(Shared(), nn.Identity(), x)
    with pytest.raises(dgmppl.ProgramError, match=r"shares, got function.*Pair"):
        SemiAmortized(model_of_rows, nn.Identity(), x)
    with pytest.raises(ValueError, match="number of steps of at least 0"):
        semi(LinearGaussian(), data(), steps=-1)
    counted, x = Counted(), torch.ones(4)
    features = nn.Unflatten(0, (4, 1))
    guide = Iterative(counted, features, x, errors=nn.Linear(1, 2))
    with pytest.raises(dgmppl.ProgramError, match=r"'x' \(Categorical\) has no mean"):
        dgmppl.bind(counted.with_guide(guide), x)


def test_beside_another_guide() -> None:
    """The refined guide of all of its program's latents stands in a `Beside` as any other."""
    program, x = LinearGaussian(), data()
    guided = program.with_guide(Beside(semi(program, x)))
    assert dgmppl.weights(guided, x, 3).log_q["z"].shape == (3, 4)
