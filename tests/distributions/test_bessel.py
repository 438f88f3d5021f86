"""Modified Bessel functions agree with SciPy's, and with their own identities."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import torch

from dgmppl.distributions.bessel import bessel_ratio, log_bessel

DIMS = (*range(2, 41), 50, 75, 100, 151, 200)
X = torch.logspace(-3, 4, 57, dtype=torch.double)


@pytest.mark.parametrize("dim", DIMS)
def test_it_agrees_with_scipy(dim: int) -> None:
    order = dim / 2 - 1
    truth, following = (scipy.special.ive(order + k, X.numpy()) for k in (0, 1))
    known = following > 1e-290  # SciPy's underflow; this one does not
    logs = np.log(truth[known]) - order * np.log(X.numpy()[known])
    np.testing.assert_allclose(log_bessel(order, X).numpy()[known], logs, rtol=0, atol=2e-12)
    ratio = following[known] / truth[known]
    np.testing.assert_allclose(bessel_ratio(order, X).numpy()[known], ratio, rtol=2e-12)


@pytest.mark.parametrize("dim", (2, 3, 10, 50, 200))
def test_its_gradients_are_exact(dim: int) -> None:
    order = dim / 2 - 1
    x = X.clone().requires_grad_()
    ratio = bessel_ratio(order, x)
    (slope,) = torch.autograd.grad(log_bessel(order, x).sum(), x)
    torch.testing.assert_close(slope, ratio - 1, rtol=0, atol=1e-11)
    (bend,) = torch.autograd.grad(ratio.sum(), x)  # r' = 1 − r² − (2ν + 1) r / x
    riccati = 1 - ratio**2 - (dim - 1) * ratio / x
    torch.testing.assert_close(bend, riccati, rtol=1e-9, atol=1e-12)


def test_three_dimensions_are_elementary() -> None:
    small = torch.logspace(-3, 1, 20, dtype=torch.double)
    exact = (np.sqrt(2 / np.pi) * small.sinh() / small).log() - small
    torch.testing.assert_close(log_bessel(0.5, small), exact, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(bessel_ratio(0.5, X), 1 / X.tanh() - 1 / X, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("order", (0.0, 4.0, 99.0, 1e4))
def test_it_is_finite_and_smooth_at_the_extremes(order: float) -> None:
    x = torch.tensor([0.0, 1e-300, 1e-12, 1e12, 1e100], dtype=torch.double, requires_grad=True)
    value = log_bessel(order, x)
    (slope,) = torch.autograd.grad(value.sum() + bessel_ratio(order, x).sum(), x)
    assert bool(torch.isfinite(value).all()) and bool(torch.isfinite(slope).all())
    at_zero = -order * np.log(2) - scipy.special.gammaln(order + 1)
    np.testing.assert_allclose(value[:2].detach(), at_zero, rtol=1e-12, atol=1e-12)
    assert bessel_ratio(order, x)[0] == 0


def test_it_keeps_the_type() -> None:
    assert log_bessel(1.0, X.float()).dtype == torch.float
    torch.testing.assert_close(bessel_ratio(1.0, X.float()), bessel_ratio(1.0, X).float())
