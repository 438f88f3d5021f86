"""The spline rises, goes back, knows its slope, and is the identity where it must be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, TransformedDistribution

from dgmppl.lowering import lower
from dgmppl.transforms import RationalQuadratic

DOUBLE = torch.float64
BINS, BOUND = 6, 3.0
WILD = 8.0  # pieces of width 1e-3 beside wide ones, slopes from 1e-3 to 20
tame_or_wild = pytest.mark.parametrize("spread", [1.0, WILD])


def knots(*batch: int, spread: float = 1.0, dtype: torch.dtype = DOUBLE) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(*batch, BINS), (*batch, BINS), (*batch, BINS - 1)]
    return [
        (spread * torch.randn(shape, generator=generator, dtype=DOUBLE)).to(dtype)
        for shape in shapes
    ]


def values(spline: RationalQuadratic) -> Tensor:
    """Inside, on the knots, at the ends and far outside, `[N, *batch]`."""
    batch = spline.knots.shape[:-2]
    line = torch.cat([torch.linspace(-4, 4, 1001), torch.tensor([-1e6, -3.0, 3.0, 1e6])])
    lines = line.to(spline.knots).view(-1, *[1] * len(batch)).expand(-1, *batch)
    return torch.cat([lines, spline.knots[..., 0, :].movedim(-1, 0)])


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (DOUBLE, 1e-10)])
def test_there_and_back(dtype: torch.dtype, error: float) -> None:
    spline = RationalQuadratic(*knots(20, spread=0.5, dtype=dtype), bound=BOUND)
    x = values(spline)
    for one, other in ((spline, spline.inv), (spline.inv, spline)):
        torch.testing.assert_close(other(one(x)), x, rtol=0, atol=error)


@tame_or_wild
def test_single_precision_is_as_exact_as_its_numbers(spread: float) -> None:
    """Both ways, between the same knots; an error of y over the slope is one of x."""
    single = RationalQuadratic(*knots(50, spread=spread, dtype=torch.float32))
    double = single.with_cache(0)
    double.knots = single.knots.double()
    x = values(single)
    y, log_slope = single(x), double.log_abs_det_jacobian(x.double(), x.double())
    assert (y - double(x.double())).abs().max() < 1e-6
    error = (single.inv(y) - double.inv(y.double())).abs()
    assert (error * log_slope.exp().clamp(max=1.0)).max() < 1e-6
    found = single.log_abs_det_jacobian(x, y)
    assert (found - log_slope)[log_slope.abs() < 5].abs().max() < 1e-3


@tame_or_wild
def test_it_rises(spread: float) -> None:
    spline = RationalQuadratic(*knots(50, spread=spread))
    x = values(spline).sort(0).values
    distinct = x.diff(dim=0) > 1e-9
    for to in (spline, spline.inv):
        assert (to(x).diff(dim=0)[distinct] > 0).all()


@tame_or_wild
def test_the_slope_is_that_of_autograd(spread: float) -> None:
    spline = RationalQuadratic(*knots(50, spread=spread))
    x = values(spline).requires_grad_()
    y = spline(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    log_slope = spline.log_abs_det_jacobian(x, y)
    torch.testing.assert_close(log_slope, slope.log(), rtol=0, atol=1e-5)
    y = y.detach().requires_grad_()
    back = spline.inv(y)
    (slope,) = torch.autograd.grad(back.sum(), y)
    torch.testing.assert_close(
        spline.inv.log_abs_det_jacobian(y, back), slope.log(), rtol=0, atol=1e-5
    )


def test_slopes_meet_at_knots_and_are_one_at_the_ends() -> None:
    spline = RationalQuadratic(*knots(20))
    x, _, slopes = spline.knots.movedim(-1, 0).unbind(-1)
    for side in (-1e-11, 1e-11):
        there = x + side
        found = spline.log_abs_det_jacobian(there, there).exp()
        torch.testing.assert_close(found, slopes, rtol=0, atol=1e-6)
    assert (slopes[[0, -1]] == 1).all() and (x[[0, -1]].abs() == BOUND).all()


def test_zeros_are_the_identity() -> None:
    zeros = [torch.zeros_like(knot) for knot in knots(4)]
    spline = RationalQuadratic(*zeros)
    x = values(spline)
    torch.testing.assert_close(spline(x), x, rtol=0, atol=1e-14)
    torch.testing.assert_close(spline.inv(x), x, rtol=0, atol=1e-14)
    assert spline.log_abs_det_jacobian(x, x).abs().max() < 1e-14


def test_a_warped_density_integrates_to_one() -> None:
    spline = RationalQuadratic(*knots(5, spread=0.5))
    q = TransformedDistribution(Normal(torch.zeros(5, dtype=DOUBLE), 1.0), [spline])
    y = torch.linspace(-10, 10, 40_001, dtype=DOUBLE)[:, None].expand(-1, 5)
    density = q.log_prob(y).exp()
    one = torch.ones(5, dtype=DOUBLE)
    torch.testing.assert_close(torch.trapezoid(density, y, dim=0), one, rtol=0, atol=1e-5)
    half = torch.trapezoid(density[:24_001], y[:24_001], dim=0)
    torch.testing.assert_close(half, q.cdf(y[24_000]), rtol=0, atol=1e-5)


@tame_or_wild
def test_derivatives_both_ways(spread: float) -> None:
    """By values and knots, also where the root's two forms meet and outside."""
    free = [knot.requires_grad_() for knot in knots(2, 3, spread=spread)]
    x = torch.tensor([[-3.5, 0.3, 2.0], [-1.0, 0.01, 5.0]], dtype=DOUBLE, requires_grad=True)

    def there(x: Tensor, *free: Tensor) -> tuple[Tensor, Tensor]:
        spline = RationalQuadratic(*free, cache_size=1)
        y = spline(x)
        return y, spline.log_abs_det_jacobian(x, y)

    def back(y: Tensor, *free: Tensor) -> tuple[Tensor, Tensor]:
        spline = RationalQuadratic(*free, cache_size=1)
        x = spline.inv(y)
        return x, spline.log_abs_det_jacobian(x, y)

    assert torch.autograd.gradcheck(there, (x, *free))
    assert torch.autograd.gradcheck(back, (x, *free))
    zeros = [torch.zeros_like(knot, requires_grad=True) for knot in free]
    middle = torch.full((2, 3), 0.5, dtype=DOUBLE, requires_grad=True)  # ends and half of a piece
    assert torch.autograd.gradcheck(back, (middle, *zeros))


def test_gradients_stay_finite_far_outside() -> None:
    free = [knot.requires_grad_() for knot in knots(2, dtype=torch.float32)]
    spline = RationalQuadratic(*free)
    x = torch.tensor([-1e30, 1e30], requires_grad=True)
    (spline(x).sum() + spline.inv(x).sum() + spline.log_abs_det_jacobian(x, x).sum()).backward()
    assert (x.grad == 2).all() and all((knot.grad == 0).all() for knot in free)


@pytest.mark.parametrize(
    ("x", "batch", "shape"),
    [((7, 5, 3), (5, 3), (7, 5, 3)), ((5, 1, 3), (4, 1), (5, 4, 3)), ((3,), (2, 5, 3), (2, 5, 3))],
)
def test_knots_and_values_broadcast(
    x: tuple[int, ...], batch: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    free, z = knots(*batch), 2 * torch.randn(x, dtype=DOUBLE)
    spread = [knot.expand(*shape, -1) for knot in free]
    small, large = RationalQuadratic(*free), RationalQuadratic(*spread)
    assert small.forward_shape(z.shape) == small.inverse_shape(z.shape) == torch.Size(shape)
    for to, same in ((small, large), (small.inv, large.inv)):
        assert to(z).shape == torch.Size(shape)
        torch.testing.assert_close(to(z), same(z.expand(shape)))


def test_a_cache_only_where_asked_for() -> None:
    spline = RationalQuadratic(*knots(3))
    x = torch.rand(3, dtype=DOUBLE)
    assert spline(x) is not spline(x) and spline._known[0] is None
    cached = spline.with_cache()
    assert cached(x) is cached(x) and cached.inv(cached(x)) is x
    log_slope = cached.log_abs_det_jacobian(x, cached(x))
    assert torch.equal(log_slope, spline.log_abs_det_jacobian(x, spline(x)))
    assert spline._known[0] is None and spline(x) is not spline(x)


def test_it_is_a_graph() -> None:
    """One that was recorded inside serves outside, knots elsewhere."""

    def there_and_back(x: Tensor, *free: Tensor) -> tuple[Tensor, Tensor]:
        spline = RationalQuadratic(*free)
        return spline(x), spline.inv(x)

    recorded = lower(there_and_back, (torch.zeros(9, 4, dtype=DOUBLE), *knots(4)))
    x, free = 4 * torch.randn(9, 4, dtype=DOUBLE), [2 * knot for knot in knots(4)]
    for one, other in zip(recorded(x, *free), there_and_back(x, *free), strict=True):
        assert torch.equal(one, other)
