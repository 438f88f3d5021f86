"""The von Mises–Fisher distribution against quadrature, moments and exact derivatives."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.integrate import quad
from statistics_of import agree
from torch import Tensor
from torch.distributions import VonMises, kl_divergence
from torch.nn.functional import normalize

from dgmppl.distributions import HypersphericalUniform, VonMisesFisher
from dgmppl.distributions.bessel import bessel_ratio

NUMBER = 20_000
DIMS = (2, 3, 10, 50, 200)
CASES = [(dim, rate) for dim in DIMS for rate in (0.1, 5.0, 500.0)]
every_case = pytest.mark.parametrize(("dim", "rate"), CASES)


def example(dim: int, rate: float, dtype: torch.dtype = torch.double) -> VonMisesFisher:
    """One with a mean direction of no special position."""
    loc = normalize(torch.arange(1.0, dim + 1, dtype=dtype).sin(), dim=-1)
    return VonMisesFisher(loc, rate, validate_args=True)


def at_angle(angle: float, loc: Tensor) -> Tensor:
    """A point of the sphere at an angle from μ."""
    other = torch.zeros_like(loc)
    other[0] = 1.0
    side = normalize(other - (other * loc).sum() * loc, dim=-1)
    return normalize(math.cos(angle) * loc + math.sin(angle) * side, dim=-1)


@pytest.mark.parametrize("rate", (1e-3, 1.0, 40.0, 1e4))
@pytest.mark.parametrize("dim", (*range(2, 13), 25, 50, 200))
def test_its_density_sums_to_one(dim: int, rate: float) -> None:
    """∫ p(θ) × the area of the sphere of radius sin θ in one dimension less."""
    distribution = example(dim, rate)
    ring = HypersphericalUniform(dim - 1).log_area if dim > 2 else math.log(2)
    centre = math.acos(2 * rate / (dim - 2 + math.hypot(2 * rate, dim - 2)))
    width = 12 / math.sqrt(rate + dim - 2)

    def density(angle: float) -> float:
        score = distribution.log_prob(at_angle(angle, distribution.loc))
        around = (dim - 2) * math.log(math.sin(angle)) if dim > 2 else 0.0
        return math.exp(float(score) + around + ring)

    ends = max(0.0, centre - width), min(math.pi, centre + width)
    total = sum(quad(density, *part)[0] for part in ((ends[0], centre), (centre, ends[1])))
    assert total == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("dim", (2, 3, 5))
def test_its_density_sums_to_one_by_uniform_draws(dim: int) -> None:
    uniform = HypersphericalUniform(dim)
    draws = uniform.sample((NUMBER,))
    agree((example(dim, 3.0, torch.float).log_prob(draws) + uniform.log_area).exp(), torch.ones(()))


def test_on_the_circle_it_is_von_mises() -> None:
    angle = torch.linspace(-3, 3, 50, dtype=torch.double)
    distribution = VonMisesFisher(torch.tensor([1.0, 0.0], dtype=torch.double), 2.5)
    points = torch.stack([angle.cos(), angle.sin()], -1)
    truth = VonMises(torch.zeros((), dtype=torch.double), 2.5).log_prob(angle)
    torch.testing.assert_close(distribution.log_prob(points), truth, rtol=1e-5, atol=1e-6)


@every_case
def test_draws_have_its_moments(dim: int, rate: float) -> None:
    distribution = example(dim, rate)
    draws = distribution.sample((NUMBER,))
    assert bool(distribution.support.check(draws).all())
    ratio = bessel_ratio(dim / 2 - 1, torch.tensor(rate, dtype=torch.double))
    torch.testing.assert_close(distribution.mean, ratio * distribution.loc)
    agree((draws * distribution.loc).sum(-1), ratio)
    agree(draws[:, :3], distribution.mean[:3])
    agree((draws - distribution.mean)[:, :3].square(), distribution.variance[:3])


@every_case
def test_entropy_and_divergence_are_those_of_draws(dim: int, rate: float) -> None:
    distribution, uniform = example(dim, rate), HypersphericalUniform(dim)
    score = distribution.log_prob(distribution.sample((NUMBER,)))
    agree(-score, distribution.entropy())
    agree(score + uniform.log_area, kl_divergence(distribution, uniform))
    assert kl_divergence(distribution, uniform) > 0


@pytest.mark.parametrize("dim", DIMS)
def test_the_divergence_vanishes_with_the_concentration_and_grows_with_it(dim: int) -> None:
    rates = torch.cat([torch.zeros(1), torch.logspace(-2, 6, 60)]).double()
    loc = example(dim, 1.0).loc
    divergence = kl_divergence(VonMisesFisher(loc, rates), HypersphericalUniform(dim))
    assert divergence[0].abs() < 1e-11
    assert bool((divergence.diff() > 0).all())
    small = torch.tensor(1e-2, dtype=torch.double)  # KL = κ² / 2d + O(κ⁴)
    torch.testing.assert_close(divergence[1], small**2 / (2 * dim), rtol=1e-4, atol=1e-11)


@every_case
def test_its_score_is_differentiable_exactly(dim: int, rate: float) -> None:
    loc = example(dim, rate).loc
    concentration = torch.tensor(rate, dtype=torch.double, requires_grad=True)
    x = at_angle(0.3, loc)
    score = VonMisesFisher(loc, concentration).log_prob(x)
    (slope,) = torch.autograd.grad(score, concentration)
    ratio = bessel_ratio(dim / 2 - 1, concentration.detach())
    torch.testing.assert_close(slope, (loc * x).sum() - ratio, rtol=1e-9, atol=1e-11)


@every_case
def test_pathwise_gradients_are_those_of_the_moments(dim: int, rate: float) -> None:
    """E⟨a, x⟩ = A(κ) ⟨a, μ⟩ and E⟨a, x⟩² = A/κ + (1 − d A/κ) ⟨a, μ⟩² for a unit vector a."""
    start = torch.arange(1.0, dim + 1, dtype=torch.double).sin()
    probe = at_angle(1.0, normalize(start, dim=-1))

    def moments(raw: Tensor, rate: Tensor) -> Tensor:
        ratio, along = bessel_ratio(dim / 2 - 1, rate), normalize(raw, dim=-1) @ probe
        across = ratio / rate
        return torch.stack([ratio * along, across + (1 - dim * across) * along**2])

    raw = start.expand(NUMBER, dim).clone().requires_grad_()
    rates = torch.full((NUMBER,), rate, dtype=torch.double, requires_grad=True)
    first = VonMisesFisher(normalize(raw, dim=-1), rates).rsample() @ probe
    one = (start.clone().requires_grad_(), torch.tensor(rate, dtype=torch.double).requires_grad_())
    for value, truth in zip((first, first**2), moments(*one), strict=True):
        by_loc, by_rate = torch.autograd.grad(value.sum(), (raw, rates), retain_graph=True)
        exact_loc, exact_rate = torch.autograd.grad(truth, one, retain_graph=True)
        agree(by_loc[:, :3], exact_loc[:3])
        agree(by_rate, exact_rate)


def test_the_gradient_of_a_rough_function_matches_finite_differences() -> None:
    """With common random numbers, on a function of all coordinates that is no polynomial."""
    weight = torch.linspace(-2, 2, 5, dtype=torch.double)

    def value(raw: Tensor, rate: Tensor) -> Tensor:
        torch.manual_seed(1)
        x = VonMisesFisher(normalize(raw, dim=-1), rate).rsample()
        return (3 * x @ weight).sin() + x.abs().sum(-1)

    raw = torch.ones(2 * NUMBER, 5, dtype=torch.double, requires_grad=True)
    rate = torch.full((2 * NUMBER,), 4.0, dtype=torch.double, requires_grad=True)
    by_loc, by_rate = torch.autograd.grad(value(raw, rate).sum(), (raw, rate))
    step = torch.zeros(5, dtype=torch.double)
    step[0] = 1e-2
    with torch.no_grad():
        across = (value(raw + step, rate) - value(raw - step, rate)) / 2e-2
        upward = (value(raw, rate + 0.1) - value(raw, rate - 0.1)) / 0.2
    agree(by_loc[:, 0], across)
    agree(by_rate, upward)


def test_its_shapes() -> None:
    loc = normalize(torch.randn(3, 1, 5), dim=-1)
    distribution = VonMisesFisher(loc, torch.ones(2), validate_args=True)
    assert (distribution.batch_shape, distribution.event_shape) == ((3, 2), (5,))
    wide = distribution.expand((4, 3, 2))
    draws = wide.rsample((7,))
    assert draws.shape == (7, 4, 3, 2, 5)
    assert wide.log_prob(draws).shape == (7, 4, 3, 2)
    assert distribution.log_prob(draws[0, 0, 0, 0]).shape == (3, 2)
    assert wide.mean.shape == wide.variance.shape == wide.mode.shape == (4, 3, 2, 5)
    assert wide.entropy().shape == (4, 3, 2)
    assert kl_divergence(distribution, HypersphericalUniform(5)).shape == (3, 2)
    assert wide.to_event(1).event_shape == (2, 5)
    torch.testing.assert_close(
        wide.log_prob(draws[0, 0]), distribution.log_prob(draws[0, 0]).expand(4, 3, 2)
    )


@pytest.mark.parametrize("dtype", (torch.float, torch.double))
@pytest.mark.parametrize("dim", DIMS)
def test_extremes_are_finite(dim: int, dtype: torch.dtype) -> None:
    rates = torch.tensor([0.0, 1e-30, 1e-3, 1e4, 1e8, 1e12], dtype=dtype, requires_grad=True)
    raw = torch.zeros(6, dim, dtype=dtype)
    raw[:, -1] = -1.0  # a pole
    raw.requires_grad_()
    distribution = VonMisesFisher(normalize(raw, dim=-1), rates, validate_args=True)
    draws = distribution.rsample((50,))
    assert draws.dtype == dtype and bool(distribution.support.check(draws).all())
    divergence = kl_divergence(distribution, HypersphericalUniform(dim))
    results = (draws, distribution.log_prob(draws), divergence, distribution.entropy())
    results = (*results, distribution.mean, distribution.variance)
    assert all(bool(torch.isfinite(result).all()) for result in results)
    grads = torch.autograd.grad(sum(result.sum() for result in results), (raw, rates))
    assert all(bool(torch.isfinite(grad).all()) for grad in grads)


def test_it_refuses_what_is_no_direction() -> None:
    with pytest.raises(ValueError, match=r"Expected loc of shape \[\*batch, d\]"):
        VonMisesFisher(torch.ones(4, 1), 1.0)
    with pytest.raises(ValueError, match="loc"):
        VonMisesFisher(torch.ones(3), 1.0, validate_args=True)
    with pytest.raises(ValueError, match="as many dimensions, got 3 and 4"):
        kl_divergence(example(3, 1.0), HypersphericalUniform(4))
