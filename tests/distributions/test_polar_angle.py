"""Angles follow their density, and their derivatives move it as the concentration does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import cumulative_simpson
from statistics_of import agree

from dgmppl.distributions.bessel import bessel_ratio
from dgmppl.distributions.polar_angle import draw_polar_angle

CASES = [(dim, rate) for dim in (2, 3, 10, 50, 200) for rate in (0.01, 1.0, 30.0, 1e4)]
every_case = pytest.mark.parametrize(("dim", "rate"), CASES)
NUMBER = 20_000


def distribution_function(angle: np.ndarray, dim: int, rate: float) -> np.ndarray:
    """F(θ; κ) by quadrature on a fine grid around the mode."""
    cosine = 2 * rate / (dim - 2 + np.hypot(2 * rate, dim - 2))
    width = 14 / np.sqrt(rate * cosine + (dim - 2 + np.hypot(2 * rate, dim - 2)) / 2)
    mode = np.arccos(min(cosine, 1.0))
    grid = np.linspace(max(0.0, mode - width), min(np.pi, mode + width), 20_001)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_f = (
            rate * np.cos(grid) + (dim - 2) * np.log(np.sin(grid))
            if dim > 2
            else rate * np.cos(grid)
        )
    density = np.exp(np.nan_to_num(log_f - np.nanmax(log_f), nan=-np.inf))
    total = cumulative_simpson(density, x=grid, initial=0.0)
    return np.interp(angle, grid, total / total[-1])


@every_case
def test_draws_follow_the_density(dim: int, rate: float) -> None:
    angle = draw_polar_angle(torch.full((NUMBER,), rate, dtype=torch.double), dim)
    level = np.sort(distribution_function(angle.numpy(), dim, rate))
    distance = np.abs(level - (np.arange(NUMBER) + 0.5) / NUMBER).max()
    assert distance < 2.2 / NUMBER**0.5  # Kolmogorov: exceeded once in 8,000 times


@every_case
def test_the_derivative_keeps_the_quantile(dim: int, rate: float) -> None:
    """F(θ + θ' δ; κ + δ) = F(θ − θ' δ; κ − δ) up to δ³."""
    concentration = torch.full((200,), rate, dtype=torch.double, requires_grad=True)
    angle = draw_polar_angle(concentration, dim)
    (slope,) = torch.autograd.grad(angle.sum(), concentration)
    step = 1e-2 * rate
    up = distribution_function((angle + step * slope).detach().numpy(), dim, rate + step)
    down = distribution_function((angle - step * slope).detach().numpy(), dim, rate - step)
    np.testing.assert_allclose(up, down, rtol=0, atol=1e-5)


@every_case
def test_the_gradient_of_the_mean_cosine_is_exact(dim: int, rate: float) -> None:
    single = torch.tensor(rate, dtype=torch.double, requires_grad=True)
    (truth,) = torch.autograd.grad(bessel_ratio(dim / 2 - 1, single), single)
    concentration = torch.full((NUMBER,), rate, dtype=torch.double, requires_grad=True)
    cosine = draw_polar_angle(concentration, dim).cos()
    (gradient,) = torch.autograd.grad(cosine.sum(), concentration)
    agree(gradient / truth, torch.ones(()))
