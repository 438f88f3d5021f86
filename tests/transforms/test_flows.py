"""Flow programs: maps that invert, determinants that are autograd's, densities that integrate."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pyro.poutine as poutine
import pytest
import torch
from torch import Tensor

import dgmppl
from dgmppl.models.affine import Affine
from dgmppl.models.masked_autoregressive_flow import MAF
from dgmppl.models.nice import NICE
from dgmppl.models.planar_flow import PlanarFlow
from dgmppl.models.real_nvp import RealNVP

PROGRAMS: list[Callable[[int], Any]] = [
    Affine,
    partial(NICE, depth=2),
    partial(RealNVP, depth=2),
    partial(MAF, depth=2),
    lambda dim: PlanarFlow(8, dim),
]
every = pytest.mark.parametrize("make", PROGRAMS)


def shaken(make: Callable[[int], Any], dim: int) -> Any:
    """A program whose maps are far from the identity."""
    torch.manual_seed(0)
    program = make(dim)
    with torch.no_grad():
        for parameter in program.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return program


def distribution(program: Any, x: Tensor) -> Any:
    return poutine.trace(program.model).get_trace(x).nodes["x"]["fn"]


@every
def test_maps_invert_and_determinants_are_autograds(make: Callable[[int], Any]) -> None:
    flow = distribution(shaken(make, 5), torch.zeros(1, 5))
    z = torch.randn(5)
    through = flow.transforms

    def mapped(z: Tensor) -> Tensor:
        for part in through:
            z = part(z)
        return z

    x, log_det = z, torch.zeros(())
    for part in through:
        y = part(x)
        slope = part.log_abs_det_jacobian(x, y)
        log_det = log_det + slope.sum()
        x = y
    jacobian = torch.autograd.functional.jacobian(mapped, z)
    torch.testing.assert_close(log_det, jacobian.slogdet()[1], atol=1e-4, rtol=1e-4)
    back = x.detach()
    for part in reversed(through):
        back = part.inv(back)
    torch.testing.assert_close(back, z, atol=1e-5, rtol=1e-5)


@every
def test_densities_integrate_to_one(make: Callable[[int], Any]) -> None:
    program = shaken(make, 2)
    ticks = torch.linspace(-20, 20, 801)
    points = torch.cartesian_prod(ticks, ticks)
    with torch.no_grad():
        p = distribution(program, points).log_prob(points).exp()
    assert float(p.sum() * (ticks[1] - ticks[0]) ** 2) == pytest.approx(1, abs=2e-3)


@every
def test_what_is_drawn_has_the_density(make: Callable[[int], Any]) -> None:
    """Shares of draws in boxes against the density's sums over them."""
    program, number = shaken(make, 2), 40_000
    draws = dgmppl.generate(program, number, seed=0)["x"]
    ticks = torch.linspace(-20, 20, 801) + 0.025
    points = torch.cartesian_prod(ticks, ticks)
    with torch.no_grad():
        p = distribution(program, points).log_prob(points).exp() * 0.05**2
    for low in (-2.0, -1.0, 0.0, 1.0):
        box = ((points > low) & (points < low + 1)).all(-1)
        exact = float(p[box].sum())
        share = float(((draws > low) & (draws < low + 1)).all(-1).float().mean())
        assert share == pytest.approx(exact, abs=4 * (exact / number) ** 0.5 + 2e-3)


def test_the_affine_map_is_exact() -> None:
    x = torch.linspace(-3, 5, 9)[:, None]
    exact = torch.distributions.Normal(1.0, 2.0).log_prob(x)[:, 0]
    torch.testing.assert_close(dgmppl.evidence(Affine(1, 2.0, 1.0), x).value, exact)
