"""A learned ratio of densities is the known one."""

from __future__ import annotations

import pytest
import torch
from two_gaussians import SHIFT, samples

from dgmppl.adversarial import Hinge, KullbackLeibler
from dgmppl.evaluation import density_ratio


def test_two_gaussians() -> None:
    """log p/q = ½ − x where data are N(0, 1) and draws N(1, 1); JS is .1114 nats."""
    x = samples(20_000)
    torch.manual_seed(0)
    ratio = density_ratio(x["data"], x["draws"], epochs=15, device="cpu")
    points = torch.linspace(-1.5, 2.5, 9)[:, None]
    exact = 0.5 * SHIFT**2 - SHIFT * points[:, 0]
    torch.testing.assert_close(ratio.log_ratio(points), exact, atol=0.25, rtol=0.0)
    assert abs(ratio.measure.value - 0.1114) < 4 * ratio.measure.standard_error < 0.03
    assert "lower bound" in str(ratio.measure)


def test_where_nothing_differs_the_divergence_is_none() -> None:
    x = samples(4_000)["data"]
    torch.manual_seed(0)
    found = density_ratio(
        x[:2_000], x[2_000:], divergence=KullbackLeibler(), epochs=5, device="cpu"
    )
    assert found.measure.value < 3 * found.measure.standard_error + 0.01


def test_refusals() -> None:
    x = samples(40)
    with pytest.raises(ValueError, match="as many draws as data"):
        density_ratio(x["data"], x["draws"][:30])
    found = density_ratio(x["data"], x["draws"], divergence=Hinge(), epochs=1, device="cpu")
    with pytest.raises(NotImplementedError, match="tells the ratio"):
        found.log_ratio(x["data"])
