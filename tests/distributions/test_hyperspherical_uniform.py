"""The uniform distribution on the sphere."""

from __future__ import annotations

import math

import pytest
import torch
from statistics_of import agree

from dgmppl.distributions import HypersphericalUniform


@pytest.mark.parametrize(("dim", "area"), [(2, 2 * math.pi), (3, 4 * math.pi), (4, 2 * math.pi**2)])
def test_its_density_is_one_over_the_surface(dim: int, area: float) -> None:
    uniform = HypersphericalUniform(dim)
    density = uniform.log_prob(uniform.sample()).exp()
    torch.testing.assert_close(density, torch.tensor(1 / area))
    torch.testing.assert_close(uniform.entropy(), torch.tensor(math.log(area)))


@pytest.mark.parametrize("dim", (2, 3, 10, 200))
def test_draws_lie_on_the_sphere_without_a_direction(dim: int) -> None:
    uniform = HypersphericalUniform(dim)
    draws = uniform.sample((20_000,))
    assert bool(uniform.support.check(draws).all())
    agree(draws[:, :3], uniform.mean[:3])
    agree(draws[:, :3].square(), uniform.variance[:3])


def test_its_shapes() -> None:
    uniform = HypersphericalUniform(5, validate_args=True).expand((3, 2)).expand((4, 3, 2))
    assert (uniform.batch_shape, uniform.event_shape) == ((4, 3, 2), (5,))
    draws = uniform.rsample((7,))
    assert draws.shape == (7, 4, 3, 2, 5)
    assert uniform.log_prob(draws).shape == (7, 4, 3, 2)
    assert uniform.log_prob(draws[0, 0, 0, 0]).shape == (4, 3, 2)
    assert uniform.mean.shape == uniform.variance.shape == (4, 3, 2, 5)
    assert uniform.entropy().shape == (4, 3, 2)


def test_it_refuses_what_is_not_on_a_sphere() -> None:
    with pytest.raises(ValueError, match="Expected dim of at least 2, got 1"):
        HypersphericalUniform(1)
    with pytest.raises(ValueError, match="support"):
        HypersphericalUniform(3, validate_args=True).log_prob(torch.ones(3))
