"""The toy sets have the shapes that their formulas say."""

import pytest
import torch

from dgmppl.data import grid_centres, load, ring_centres
from dgmppl.data.toy import TOY_SETS


def points(name: str, n: int = 20_000):
    data = load(name, n=n)
    return data.values, data.labels


@pytest.mark.parametrize("name", TOY_SETS)
def test_points_are_finite_centred_and_of_moderate_scale(name):
    x, labels = points(name)
    assert x.shape == (20_000, 2)
    assert x.dtype == torch.float32
    assert labels.shape == (20_000,)
    assert x.isfinite().all()
    assert x.mean(0).abs().max() < 0.2
    assert 0.5 < float(x.std()) < 4


@pytest.mark.parametrize(
    ("name", "number"), [("ring", 8), ("grid", 25), ("rings", 4), ("pinwheel", 5)]
)
def test_components_are_equally_likely(name, number):
    counts = torch.bincount(points(name)[1], minlength=number).float()
    expected = 20_000 / number
    assert len(counts) == number
    assert ((counts - expected).abs() < 5 * expected**0.5).all()


@pytest.mark.parametrize(
    ("name", "centres", "scale"), [("ring", ring_centres(), 0.01), ("grid", grid_centres(), 0.05)]
)
def test_gaussians_have_their_centres_and_scale(name, centres, scale):
    x, labels = points(name)
    noise = (x - centres[labels]) / scale
    assert abs(float(noise.mean())) < 0.03
    assert abs(float(noise.std()) - 1) < 0.02
    assert torch.equal(torch.cdist(x, centres).argmin(1), labels)


def test_centres_are_distinct_and_where_the_papers_put_them():
    assert torch.allclose(ring_centres().norm(dim=1), torch.ones(8))
    assert len(grid_centres().unique(dim=0)) == 25
    assert set(grid_centres().flatten().tolist()) == {-4.0, -2.0, 0.0, 2.0, 4.0}


def test_rings_have_four_radii():
    x, labels = points("rings")
    assert ((x.norm(dim=1) - 0.75 * (labels + 1)).abs() < 0.08 * 5).all()


def test_moons_are_half_circles_that_mirror_each_other():
    x, labels = points("moons")
    sign = 1 - 2 * labels[:, None]
    arc = (x * sign) + torch.tensor([1.0, 0.5])
    assert abs(float(arc.norm(dim=1).mean()) - 2) < 0.02
    assert float((arc[:, 1] > -0.2 * 5).float().mean()) == 1


def test_spiral_arms_are_half_a_turn_apart():
    x, labels = points("spirals")
    arm = x * (1 - 2 * labels[:, None])
    radius = arm.norm(dim=1)
    expected = torch.stack([(3 * radius).cos(), (3 * radius).sin()], 1) * radius[:, None]
    assert float((arm - expected).norm(dim=1).median()) < 0.5
    assert float(radius.max()) < torch.pi + 0.6


def test_pinwheel_blades_are_turned_copies():
    x, labels = points("pinwheel")
    means = torch.stack([x[labels == blade].mean(0) for blade in range(5)])
    angles = torch.atan2(means[:, 1], means[:, 0])
    steps = (angles.roll(-1) - angles) % (2 * torch.pi)
    assert (steps - 2 * torch.pi / 5).abs().max() < 0.05


def test_squares_have_the_moments_of_squared_normal_numbers():
    """E z² = 1, and var(z² + ε) = 2 + 0.5²."""
    x, labels = points("squares", 40_000)
    assert torch.allclose(x.mean(0), torch.zeros(2), atol=0.05)
    assert torch.allclose(x.var(0), torch.full((2,), 2.25), atol=0.3)
    assert torch.allclose(labels.bincount() / len(labels), torch.full((4,), 0.25), atol=0.02)
