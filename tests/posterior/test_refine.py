"""Markov chains find posteriors that are known, from good starts and bad, whatever the support."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

import arviz as az
import numpy as np
import pyro
import pytest
import torch
from linear_gaussian import LinearGaussian, data
from pyro import poutine
from pyro.distributions import (
    Bernoulli,
    Beta,
    Dirichlet,
    Gamma,
    LogNormal,
    Multinomial,
    Normal,
    Poisson,
    Uniform,
)
from torch import Tensor

import dgmppl
from dgmppl.binding import ProgramError
from dgmppl.distributions import VonMisesFisher
from dgmppl.posterior import Hamiltonian, Langevin, NoUTurn, PerDatum, agreement, posterior, refine
from dgmppl.posterior.arviz_versions import Container
from dgmppl.posterior.kernel import Kernel

ZERO = torch.zeros(()).double()
MANY = PerDatum(4)


def agrees(draws: Container, name: str, mean: Any, scale: Any, most: float = 1.05) -> None:
    """Chains that have mixed (R-hat), with the right means and standard deviations."""
    z = draws.posterior[name].values
    z = z.reshape(*z.shape[:2], -1)
    units = az.convert_to_dataset({name: z})
    assert float(az.rhat(units)[name].max()) < most
    for found, truth, method in ((z.mean((0, 1)), mean, "mean"), (z.std((0, 1)), scale, "sd")):
        ess = np.minimum(az.ess(units, method=method)[name].values, z[..., 0].size)
        width = np.broadcast_to(np.asarray(scale).reshape(-1), found.shape) / np.sqrt(ess)
        assert (np.abs(found - np.asarray(truth).reshape(-1)) < 4 * width).all()


def check_linear_gaussian(kernel: Kernel, number: int, chains: int, most: float = 1.05) -> None:
    x, exact = data(3), LinearGaussian()
    draws = refine(LinearGaussian(wrong=1.0), x, number, num_chains=chains, kernel=kernel, seed=0)
    with torch.no_grad():
        mean = x @ exact.gain.T + exact.offset
        agrees(draws, "z", mean, exact.log_scale.exp().expand_as(mean), most)


@pytest.mark.parametrize(("kernel", "number"), [(PerDatum(4), 100), (Langevin(), 150)], ids=repr)
def test_it_is_the_exact_posterior_however_wrong_the_guide(kernel: Kernel, number: int) -> None:
    check_linear_gaussian(kernel, number, chains=20)


def test_the_kernels_of_pyro_find_it_too() -> None:
    check_linear_gaussian(NoUTurn(), 40, chains=2, most=1.2)  # chains as short as these vary


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [NoUTurn(), Hamiltonian()], ids=repr)
def test_the_kernels_of_pyro_mix(kernel: Kernel) -> None:
    check_linear_gaussian(kernel, 200, chains=3)


def counts(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        rate = pyro.sample("z", Gamma(ZERO + 2, 1.0))
        pyro.sample("x", Poisson(rate), obs=x)


def coins(x: Tensor) -> None:
    heads = pyro.sample("z", Beta(ZERO + 2, ZERO + 3))
    with pyro.plate("data", len(x)):
        pyro.sample("x", Bernoulli(heads), obs=x)


def dice(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        faces = pyro.sample("z", Dirichlet(torch.ones(3).double()))
        pyro.sample("x", Multinomial(probs=faces, validate_args=False), obs=x)


def sticks(x: Tensor) -> None:
    """The support of z follows another latent, and the data say nothing."""
    with pyro.plate("data", len(x)):
        first = pyro.sample("first", Uniform(ZERO, 1.0))
        pyro.sample("z", Uniform(ZERO, first))
        pyro.sample("x", Normal(ZERO, 1.0), obs=x)


def tempered(x: Tensor) -> None:
    """p(z)^½ for a log-normal z: log z is N(1, √2), for the Jacobian keeps its power 1."""
    with pyro.plate("data", len(x)):
        with poutine.scale(scale=0.5):
            z = pyro.sample("positive", LogNormal(ZERO, 1.0))
        pyro.deterministic("z", z.log(), event_dim=0)
        pyro.sample("x", Normal(ZERO, 1.0), obs=x)


@dataclass(frozen=True)
class Case:
    model: Any
    x: Tensor
    mean: Tensor
    scale: Tensor


def moments(exact: Any) -> tuple[Tensor, Tensor]:
    return exact.mean, exact.variance.sqrt()


COUNTS = torch.tensor([0.0, 7.0]).double()
COINS = torch.tensor([1.0, 1.0, 0.0, 1.0]).double()
DICE = torch.tensor([[0.0, 2.0, 5.0], [3.0, 1.0, 0.0]]).double()
CASES = {
    "positive": Case(counts, COUNTS, *moments(Gamma(2 + COUNTS, 2.0))),
    "interval, shared": Case(coins, COINS, *moments(Beta(ZERO + 5, ZERO + 4))),
    "simplex": Case(dice, DICE, *moments(Dirichlet(1 + DICE))),
    "support of a draw": Case(sticks, COUNTS, ZERO + 1 / 4, (ZERO + 1 / 9 - 1 / 16).sqrt()),
    "tempered": Case(tempered, COUNTS, ZERO + 1, ZERO + 2**0.5),
}


@pytest.mark.parametrize("name", CASES)
def test_constrained_latents_without_a_guide(name: str) -> None:
    case = CASES[name]
    draws = refine(dgmppl.Pair(case.model), case.x, 60, kernel=MANY, num_chains=24, seed=0)
    agrees(draws, "z", case.mean, case.scale)


def nested(x: Tensor) -> None:
    """mean ~ N(0, 1), z ~ N(mean, 1), x ~ N(z, 1)."""
    mean = pyro.sample("mean", Normal(ZERO, 1.0))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", Normal(mean, 1.0))
        pyro.sample("x", Normal(z, 1.0), obs=x)


def rough(x: Tensor) -> None:
    pyro.sample("mean", Normal(ZERO - 1, 0.1))
    with pyro.plate("data", len(x)):
        pyro.sample("z", Normal(x, 0.1))


@pytest.mark.parametrize(
    ("kernel", "number", "chains"),
    [pytest.param(NoUTurn(), 150, 2, marks=pytest.mark.slow), (PerDatum(4), 100, 20)],
    ids=repr,
)
def test_latents_of_the_data_beside_a_shared_one(kernel: Kernel, number: int, chains: int) -> None:
    x = torch.tensor([0.5, 2.0, -1.0, 3.0]).double()
    draws = refine(dgmppl.Pair(nested, rough), x, number, num_chains=chains, kernel=kernel, seed=0)
    precision = torch.diag(torch.tensor([1.0 + len(x), *[2.0] * len(x)]).double())
    precision[0, 1:] = precision[1:, 0] = -1.0
    covariance = torch.linalg.inv(precision)
    mean, scale = covariance @ torch.cat([ZERO[None], x]), covariance.diagonal().sqrt()
    agrees(draws, "mean", mean[:1], scale[:1])
    agrees(draws, "z", mean[1:], scale[1:])
    assert draws.sample_stats["lp"].dims == ("chain", "draw")
    assert draws.sample_stats["diverging"].dims == ("chain", "draw")


class Ragged(dgmppl.Program):
    """Sequences of several lengths `[T, B]`; what a mask hides is not there."""

    def __init__(self, vectorized: bool = True) -> None:
        super().__init__()
        self.vectorized = vectorized

    def model(self, x: Any = None, n: int = 1) -> None:
        values, lengths = x
        shown = torch.arange(len(values))[:, None] < lengths
        plates = pyro.plate("data", len(lengths), dim=-1), pyro.plate("time", len(values), dim=-2)
        with plates[0], plates[1], poutine.mask(mask=shown):
            z = pyro.sample("z", Normal(ZERO, 1.0))
            pyro.sample("x", Normal(z, 1.0), obs=values)


RAGGED = torch.tensor([[1.0, -2.0], [3.0, 9.0]]).double(), torch.tensor([2, 1])


def test_hidden_latents_follow_their_prior() -> None:
    draws = refine(Ragged(), RAGGED, 60, num_chains=20, kernel=MANY, seed=0)
    assert draws.posterior["z"].dims == ("chain", "draw", "data", "time")
    half = 0.5**0.5
    agrees(draws, "z", [[0.5, 1.5], [-1.0, 0.0]], [[half, half], [half, 1.0]])


@pytest.mark.parametrize("kernel", [NoUTurn(), PerDatum(2)], ids=repr)
@pytest.mark.parametrize("vectorized", [True, False])
def test_everything_in_the_container_belongs_together(kernel: Kernel, vectorized: bool) -> None:
    program = Ragged(vectorized)
    first, second = (
        refine(program, RAGGED, 5, num_warmup=4, num_chains=2, kernel=kernel, seed=1)
        for _ in range(2)
    )
    assert first.posterior.equals(second.posterior)
    z, x = torch.from_numpy(first.posterior["z"].values), RAGGED[0].T  # [C, S, B, T]
    assert z.shape == (2, 5, 2, 2) and len(z.unique()) > 20
    shown = torch.arange(2) < RAGGED[1][:, None]
    likelihood = (Normal(z, 1.0).log_prob(x) * shown).sum(-1)
    prior = (Normal(0.0, 1.0).log_prob(z) * shown).sum(-1)
    assert np.allclose(first.log_likelihood["x"].values, likelihood)
    assert first.sample_stats["lp"].dims == ("chain", "draw", "data")
    assert np.allclose(first.sample_stats["lp"].values, likelihood + prior)
    assert first.posterior_predictive["x"].shape == z.shape
    assert np.allclose(first.observed_data["x"].values, x)
    rate = first.sample_stats["acceptance_rate"].values
    assert ((rate >= 0) & (rate <= 1)).all()
    assert len(az.summary(first, var_names=["z"])) == 4


def test_without_warm_up_and_with_latents_of_several_sites() -> None:
    draws = refine(dgmppl.Pair(sticks), COUNTS, 3, num_warmup=0, kernel=Langevin(), seed=0)
    first, z = (draws.posterior[name].values for name in ("first", "z"))
    assert ((z > 0) & (z < first)).all()


def test_agreement_tells_what_is_wrong_with_a_guide() -> None:
    """Shift and spread of Gaussians are known, and so is their distance where spreads agree."""
    x, exact = data(3), LinearGaussian()
    shifted = LinearGaussian()
    with torch.no_grad():
        shifted.offset[0] += 0.4
        shifted.log_scale[1] -= 0.7
    reference = refine(exact, x, 75, num_chains=16, kernel=MANY, seed=0)
    found = agreement(posterior(shifted, x, 4000, seed=0), reference)["z"]
    expected = 0.4 / exact.log_scale[0].exp().item()
    unit = found.isel(z_dim_0=0)
    assert np.allclose(unit.sel(measure="shift"), expected, atol=0.15)
    assert np.allclose(unit.sel(measure="distance"), expected, atol=0.15)
    assert np.allclose(unit.sel(measure="spread"), 1.0, atol=0.1)
    unit = found.isel(z_dim_0=1)
    assert np.allclose(unit.sel(measure="shift"), 0.0, atol=0.15)
    assert np.allclose(unit.sel(measure="spread"), np.exp(-0.7), atol=0.1)


def switch(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        h = pyro.sample("h", Bernoulli(ZERO + 0.5))
        pyro.sample("x", Normal(h, 1.0), obs=x)


def sphere(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("direction", VonMisesFisher(torch.eye(3)[0], torch.tensor(1.0)))
        pyro.sample("x", Normal(ZERO, 1.0), obs=x)


def part(x: Tensor) -> None:
    mean = pyro.sample("mean", Normal(ZERO, 1.0))
    with pyro.plate("data", 50, subsample=torch.arange(len(x))):
        pyro.sample("x", Normal(mean, 1.0), obs=x)


def impossible(x: Tensor, runs: Any = count()) -> None:  # noqa: B008
    """Fine at first sight."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", Normal(ZERO, 1.0))
        pyro.sample("x", Normal(z, 1.0 if next(runs) < 2 else 1e-200), obs=x)


def nothing(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        pyro.sample("x", Normal(ZERO, 1.0), obs=x)


@pytest.mark.parametrize(
    ("model", "guide", "message"),
    [
        (switch, None, r"site 'h' \(Bernoulli\), whose values have no gradient"),
        (sphere, None, r"support of site 'direction' \(VonMisesFisher\)"),
        (part, None, "a posterior has no minibatch"),
        (impossible, None, "draws of the prior to start from.*is not finite"),
        (nothing, None, "Expected latent sites"),
    ],
)
def test_what_cannot_be_refined_is_refused(model: Any, guide: Any, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        refine(dgmppl.Pair(model, guide), COUNTS, 5)


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="num_chains of at least 1"):
        refine(dgmppl.Pair(counts), COUNTS, 5, num_chains=0)
