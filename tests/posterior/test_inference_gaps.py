"""Both gaps are what closed forms say, for every family whose parameters can be moved."""

from __future__ import annotations

import math
from typing import Any

import pyro
import pytest
import torch
from enumerable import Switch
from linear_gaussian import LinearGaussian, data
from pyro.distributions import (
    Delta,
    Gamma,
    LogNormal,
    LowRankMultivariateNormal,
    MultivariateNormal,
    Normal,
    Poisson,
    TransformedDistribution,
)
from pyro.distributions.transforms import Planar
from torch import Tensor, nn

import dgmppl
from dgmppl.binding import ProgramError
from dgmppl.posterior import Gaps, inference_gaps

ZERO = torch.zeros(()).double()


def within(found: Tensor, truth: Tensor, error: Tensor, slack: float = 1e-3) -> None:
    """Equal up to four standard errors, and what the search leaves."""
    assert ((found - truth).abs() < 4 * error + slack).all(), f"{found}, {truth}"


def test_the_exact_posterior_has_no_gap() -> None:
    x = data(4)
    gaps = inference_gaps(LinearGaussian(), x, 300, 100, seed=0)
    for gap in (gaps.amortization, gaps.approximation, gaps.inference):
        assert gap.abs().max() < 1e-5
    assert torch.allclose(gaps.log_evidence, LinearGaussian().log_evidence(x), atol=1e-3)
    assert "Neither" in str(gaps)


def test_the_gap_of_a_wrong_network_is_its_divergence() -> None:
    x, program = data(4), LinearGaussian(wrong=1.0)
    gaps = inference_gaps(program, x, 150, 2000, seed=0)
    with torch.no_grad():
        within(
            gaps.amortization, program.log_evidence(x) - program.elbo(x), gaps.amortization_error
        )
        within(gaps.elbo, program.elbo(x), gaps.amortization_error)
        within(gaps.log_evidence, program.log_evidence(x), gaps.approximation_error)
    assert gaps.approximation.abs().max() < 1e-3
    assert "larger network" in str(gaps)


class Correlated(dgmppl.Program):
    """z ~ N(0, I₂), x ~ N(W z, I₃ / 2): the posterior's coordinates are correlated."""

    W = torch.tensor([[1.0, 0.8], [0.5, 1.0], [0.0, 0.7]]).double()

    def __init__(self, family: Any, wrong: float = 0.0) -> None:
        super().__init__()
        self.family, self.wrong = family, wrong

    @property
    def precision(self) -> Tensor:
        return torch.eye(2).double() + 2 * self.W.T @ self.W

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(ZERO, 1.0).expand([2]).to_event(1))
            pyro.sample("x", Normal(z @ self.W.T, 0.5**0.5).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        covariance = torch.linalg.inv(self.precision)
        loc = 2 * x @ self.W @ covariance + self.wrong
        with dgmppl.data_plate(x):
            pyro.sample("z", self.family(loc, covariance))


def diagonal(loc: Tensor, covariance: Tensor) -> Any:
    return Normal(loc, covariance.diagonal().sqrt() / 2).to_event(1)


def full(loc: Tensor, covariance: Tensor) -> Any:
    return MultivariateNormal(loc, scale_tril=torch.linalg.cholesky(covariance) / 2)


def low_rank(loc: Tensor, covariance: Tensor) -> Any:
    factor = torch.full((2, 1), 0.1).double()
    return LowRankMultivariateNormal(loc, factor, covariance.diagonal() / 2)


@pytest.mark.parametrize(("family", "exact"), [(diagonal, False), (full, True), (low_rank, True)])
def test_the_gap_of_a_family_is_that_of_its_best_member(family: Any, exact: bool) -> None:
    """The best mean-field Gaussian has the right mean and precisions Λ_ii."""
    program = Correlated(family, wrong=0.3)
    gaps = inference_gaps(program, data(3), 200, 2000, seed=0)
    precision = program.precision
    lost = (precision.diagonal().log().sum() - torch.logdet(precision)) / 2
    truth = torch.zeros(3).double() if exact else lost.expand(3)
    within(gaps.approximation, truth, gaps.approximation_error, 5e-3)
    assert (gaps.amortization > 0.05).all()
    assert torch.isfinite(gaps.k_hat).all()


class Counts(dgmppl.Program):
    """z ~ Gamma(2, 1), x ~ Poisson(z): the posterior is Gamma(2 + x, 2)."""

    def __init__(self, family: Any) -> None:
        super().__init__()
        self.family = family

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Gamma(ZERO + 2, 1.0))
            pyro.sample("x", Poisson(z), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("z", self.family(x))


def test_families_of_positive_numbers() -> None:
    x = torch.tensor([0.0, 3.0, 8.0]).double()
    evidence = torch.distributions.NegativeBinomial(2.0, ZERO + 0.5).log_prob(x)
    gaps = inference_gaps(Counts(lambda x: Gamma(1 + x, 1.0)), x, 300, 1000, seed=0)
    within(gaps.best_elbo, evidence, gaps.approximation_error, 5e-3)
    assert (gaps.amortization > 0.1).all()
    gaps = inference_gaps(Counts(lambda x: LogNormal(x.log1p(), 1.0)), x, 200, 2000, seed=0)
    a = 2 + x  # KL(q‖p) of Gamma(a, ·) is least where log z has variance 1 / a
    lost = torch.lgamma(a) - a * a.log() + a + (1 - (2 * math.pi * math.e / a).log()) / 2
    within(gaps.best_elbo, evidence - lost, gaps.approximation_error, 5e-3)
    within(gaps.approximation, lost, gaps.approximation_error, 5e-3)
    assert gaps.partly == ()


class Chain(LinearGaussian):
    """first ~ N(0, 1), second ~ N(first, 1), x ~ N(second, 1)."""

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            first = pyro.sample("first", Normal(ZERO, 1.0))
            second = pyro.sample("second", Normal(first, 1.0))
            pyro.sample("x", Normal(second, 1.0), obs=None if x is None else x[:, 0])

    def guide(self, x: Tensor) -> None:
        """first ~ N(x/3, √⅔) and second ~ N((first + x)/2, √½), but for both means."""
        with dgmppl.data_plate(x):
            first = pyro.sample("first", Normal(x[:, 0] / 3 + 0.5, (2 / 3) ** 0.5))
            pyro.sample("second", Normal((first + x[:, 0]) / 2 - 0.4, 0.5**0.5))


def test_a_hierarchy_keeps_its_dependence() -> None:
    gaps = inference_gaps(Chain(), data(3), 150, 1000, seed=0)
    divergence = 0.5**2 / (2 * 2 / 3) + 0.4**2 / (2 * 0.5)
    within(gaps.amortization, torch.tensor(divergence), gaps.amortization_error)
    assert gaps.approximation.abs().max() < 1e-3


def test_of_a_flow_the_base_is_moved_and_that_is_said() -> None:
    layer = Planar(2).double()
    nn.init.normal_(layer.u, std=0.1)

    def flow(loc: Tensor, covariance: Tensor) -> Any:
        return TransformedDistribution(diagonal(loc, covariance), [layer])

    gaps = inference_gaps(Correlated(flow, wrong=0.5), data(3), 50, 500, seed=0)
    assert gaps.partly == ("z",) and "a part of the family" in str(gaps)
    assert (gaps.amortization > 0.1).all()


def test_a_poor_family_is_told_from_a_poor_network() -> None:
    one, none = torch.ones(4), torch.zeros(4)
    poor_family = Gaps(none, none + 0.1, one, none + 0.01, none + 0.01, none + 0.9, 100)
    assert "richer family" in str(poor_family) and "k-hat is above 0.7 on 100 %" in str(poor_family)
    both = Gaps(none, none + 0.5, one, none + 0.01, none + 0.01, none, 100)
    assert "Try" not in str(both) and "0.50 ± 0.00" in str(both)


def shared(x: Tensor) -> None:
    mean = pyro.sample("mean", Normal(ZERO, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", Normal(mean, 1.0).expand([3]).to_event(1), obs=x)


def test_what_has_no_gaps_is_refused() -> None:
    pair = dgmppl.Pair(shared, lambda x: pyro.sample("mean", Normal(ZERO, 1.0)))
    with pytest.raises(ProgramError, match="got 'mean', which all data share"):
        inference_gaps(pair, data())
    with pytest.raises(ProgramError, match=r"site 'h' \(Bernoulli\)"):
        inference_gaps(Switch(), torch.zeros(3).double())
    with pytest.raises(ProgramError, match="at random"):
        inference_gaps(Correlated(lambda loc, _: Delta(loc, event_dim=1)), data())
    with pytest.raises(ValueError, match="num_particles of at least 2"):
        inference_gaps(LinearGaussian(), data(), 10, 1)


def test_nothing_is_left_behind() -> None:
    program, x = LinearGaussian(wrong=1.0).train(), data()
    before = {name: value.clone() for name, value in program.state_dict().items()}
    state = torch.get_rng_state()
    first, second = (inference_gaps(program, x, 3, 10, seed=1) for _ in range(2))
    assert torch.equal(first.best_elbo, second.best_elbo)
    assert all(torch.equal(before[n], v) for n, v in program.state_dict().items())
    assert all(p.grad is None for p in program.parameters()) and program.training
    assert torch.equal(torch.get_rng_state(), state)
