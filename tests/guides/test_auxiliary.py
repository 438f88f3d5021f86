"""A guide with a variable of its own: a bound, tighter than without, and exact in the limit."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import pyro
import pytest
import torch
from linear_gaussian import LinearGaussian, data
from pyro.distributions import Gamma, Normal
from pyro.infer.autoguide import AutoNormal
from statistics_of import agree, gradients
from torch import Tensor, nn

import dgmppl
from dgmppl.guides import Amortized, Auxiliary, Beside, Full
from dgmppl.objectives import (
    ELBO,
    IWAE,
    DoublyReparameterized,
    ObjectiveError,
    Progress,
    StickingTheLanding,
    WakeSleep,
)

DOUBLE = torch.float64


class Square(dgmppl.Program):
    """z ~ N(0, 1), x ~ N(z², 0.7²): the posterior has modes at ±√x."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros((), dtype=DOUBLE), 1.0))
            return pyro.sample("x", Normal(z**2, 0.7), obs=x)

    def log_evidence(self, x: Tensor) -> Tensor:
        """By quadrature on a fine grid, `[B]`."""
        z = torch.linspace(-8, 8, 20_001, dtype=DOUBLE)
        joint = Normal(0.0, 1.0).log_prob(z) + Normal(z**2, 0.7).log_prob(x[:, None])
        return torch.logsumexp(joint, 1) + (z[1] - z[0]).log()


X = torch.tensor([0.5, 1.0, 1.5, 2.0], dtype=DOUBLE)


def features() -> nn.Module:
    return nn.Sequential(nn.Unflatten(0, (-1, 1)), nn.Linear(1, 8), nn.Tanh()).double()


def learned(guided: Any, steps: int) -> Any:
    binding, objective = dgmppl.bind(guided, X), ELBO(num_particles=20)
    optimizer = torch.optim.Adam(guided.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        objective.phases(binding)[0].loss(binding, X, Progress()).surrogate.backward()
        optimizer.step()
        schedule.step()
    return guided


@cache
def two_sided() -> Any:
    """The auxiliary guide, learned; from other starts it may settle on one mode."""
    torch.manual_seed(1)
    program = Square()
    return learned(program.with_guide(Auxiliary(program, features(), X, size=2)), 400)


def log_weights(guided: Any, number: int) -> Tensor:
    with torch.no_grad():
        torch.manual_seed(1)
        return torch.as_tensor(dgmppl.weights(guided, X, number).ratio()[0])


def test_the_bound_is_below_the_evidence_and_above_the_mean_field_s() -> None:
    torch.manual_seed(0)
    program = Square()
    one_sided = learned(program.with_guide(Amortized(program, features(), X)), 300)
    plain, richer = (log_weights(guided, 4000) for guided in (one_sided, two_sided()))
    exact, error = program.log_evidence(X), richer.std(0) / 4000**0.5
    assert (richer.mean(0) < exact + 4 * error).all()
    gaps = [float((exact - log_w.mean(0)).mean()) for log_w in (plain, richer)]
    assert gaps[1] < gaps[0] / 2
    assert gaps[0] > 0.4


def test_the_guide_finds_both_modes() -> None:
    z = dgmppl.posterior(two_sided(), X, 1000, seed=0).posterior["z"].values[0]
    share = (z[:, 1:] > 0).mean(0)
    assert ((share > 0.2) & (share < 0.8)).all()


def test_many_particles_find_the_evidence() -> None:
    """p(x, z) r(a|x, z) has the model's own evidence.

    Where nothing is learned the weights have heavy tails, whose errors cannot be estimated.
    """
    program = Square()
    exact = program.log_evidence(X)
    found = dgmppl.evidence(two_sided(), X, 20_000, seed=0)
    assert found.value is not None and found.standard_error is not None
    assert ((found.value - exact).abs() < 4 * found.standard_error + 1e-3).all()
    assert found.standard_error.max() < 0.05
    model = LinearGaussian()
    torch.manual_seed(0)
    learned = model.with_guide(Auxiliary(model, nn.Identity(), data(), size=2, family=Full()))
    rows, adam = data().repeat(50, 1), partial(torch.optim.Adam, lr=0.03)
    settings = {"epochs": 40, "batch_size": None, "optimizer": adam, "progress": False}
    dgmppl.fit(learned, rows, IWAE(num_particles=8), **settings)
    found = dgmppl.evidence(learned, data(), 20_000, seed=0)
    assert found.value is not None and found.standard_error is not None
    gap = (found.value - model.log_evidence(data())).abs()
    assert (gap < 4 * found.standard_error).all()


class Tower(dgmppl.Program):
    """A positive rate, then a vector."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            rate = pyro.sample("rate", Gamma(torch.tensor(2.0, dtype=DOUBLE), 1.0))
            z = pyro.sample("z", Normal(torch.zeros(2, dtype=DOUBLE), rate[..., None]).to_event(1))
            return pyro.sample("x", Normal(z.sum(-1), 1.0), obs=x)


@pytest.mark.parametrize(
    ("objective", "reference"),
    [
        (ELBO(), ELBO(analytic_kl=False)),
        (ELBO(gradient=StickingTheLanding()), ELBO(analytic_kl=False)),
        (IWAE(num_particles=3, gradient=DoublyReparameterized()), IWAE(num_particles=3)),
    ],
    ids=["kl", "stl", "dreg"],
)
def test_estimators_agree(objective: Any, reference: Any) -> None:
    torch.manual_seed(0)
    program, x = Tower(), X.repeat(100)
    guided = program.with_guide(Auxiliary(program, features(), x, size=2))
    agree(gradients(objective, guided, x, 40), gradients(reference, guided, x, 40), errors=5)


def test_every_tool_knows_the_site() -> None:
    guided = two_sided()
    binding = dgmppl.bind(guided, X)
    text = str(dgmppl.describe(guided, X))
    assert "a (auxiliary)" in text and "model+guide" in text
    assert any("reverse" in name for name in binding.roles["model"])
    assert not any("reverse" in name for name in binding.roles["guide"])
    assert not any("heads" in name for name in binding.roles["model"])
    assert set(dgmppl.generate(guided, 3)) == {"z", "x"}  # no data, no r
    assert set(dgmppl.generate(guided, x=X, posterior=True)) == {"z", "x", "a"}
    assert dgmppl.posterior(guided, X, 10, seed=0).posterior["a"].shape == (1, 10, 4, 2)
    assert set(dgmppl.diagnose(guided, X, 50, seed=0).kl) == {"z", "a"}
    with pytest.raises(ObjectiveError, match=r"'a' has no counterpart in the model's dreams"):
        WakeSleep().check(binding)


def test_the_model_is_itself_again_with_another_guide() -> None:
    guided = two_sided()
    for other in (Amortized(guided, features(), X), Auxiliary(guided, features(), X, size=2)):
        tables = dgmppl.weights(guided.with_guide(other), X, 2)
        assert list(tables.log_p) == ["z", "x", *tables.log_q.keys() - {"z"}]


def rows(x: Tensor, y: Tensor) -> None:
    with pyro.plate("rows", 100, subsample=x):
        z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
        pyro.sample("y", Normal(z.sum(-1) + x[:, 0], 1.0), obs=y)


class Both(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([x, y[:, None]], -1)


def test_unmodified_pyro_models() -> None:
    """In a pair or beside one; the reverse model is scaled by N/B as its plate is."""
    batch = (torch.randn(6, 3), torch.randn(6))
    pair = dgmppl.Pair(rows)
    guide = Auxiliary(rows, Both(), batch, size=2)
    for program in (dgmppl.Pair(rows, guide), pair.with_guide(guide)):
        tables = dgmppl.weights(program, batch, 3)
        assert tables.size == 100 and tables.log_p["a"].shape == (3, 6)
        assert tables.runs[0].model["a"]["scale"] == pytest.approx(100 / 6)


class Shared(dgmppl.Program):
    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        w = pyro.sample("w", Normal(0.0, 2.0))
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(0.0, 1.0))
            return pyro.sample(
                "x", Normal((w + z)[..., None].expand(*z.shape, 3), 0.5).to_event(1), obs=x
            )


def test_beside_a_guide_of_global_latents() -> None:
    program, x = Shared(), torch.randn(5, 3)
    local = Auxiliary(program, nn.Identity(), x, size=2, sites=["z"])
    shared = AutoNormal(pyro.poutine.block(program.model, expose=["w"]))
    guided = program.with_guide(Beside(local, shared))
    assert dgmppl.weights(guided, x, 3).log_p["a"].shape == (3, 5)


def test_refusals() -> None:
    program = Square()
    with pytest.raises(dgmppl.ProgramError, match=r"has a site 'z'.*name="):
        Auxiliary(program, features(), X, size=1, name="z")
    with pytest.raises(ValueError, match="size of at least 1, got 0"):
        Auxiliary(program, features(), X, size=0)
