"""Calibrated guides pass, others are caught and what is wrong with them is named."""

from __future__ import annotations

import numpy as np
import pyro
import pytest
import torch
from enumerable import Switch
from linear_gaussian import LinearGaussian, data
from pyro import poutine
from pyro.distributions import Bernoulli, Normal
from scipy import stats
from torch import Tensor

import dgmppl
from dgmppl import pictures
from dgmppl.binding import ProgramError
from dgmppl.posterior import Calibration, simulation_based_calibration
from dgmppl.posterior.ecdf_band import ecdf_band
from dgmppl.posterior.rank_tests import rank_tests


def changed(shift: float = 0.0, log_scale: float = 0.0) -> LinearGaussian:
    """The exact posterior as guide, but for its second unit."""
    program = LinearGaussian()
    with torch.no_grad():
        program.offset[1] += shift
        program.log_scale[1] += log_scale
    return program


def calibrate(program: LinearGaussian, number: int = 1000) -> Calibration:
    return simulation_based_calibration(program, data(250), number, seed=0)


def test_the_exact_posterior_is_calibrated() -> None:
    found = calibrate(LinearGaussian(), 2000)
    assert found.ranks["z"].shape == (2000, 2) and found.num_simulations == 2000
    assert found.calibrated and "uniform" in str(found)
    for unit in found.ranks["z"].T.numpy():
        assert stats.kstest((unit + 0.5) / 100, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"log_scale": -0.7}, "narrow", "over-confident"),
        ({"log_scale": 0.7}, "wide", "under-confident"),
        ({"shift": 0.2}, "high", "too high"),
        ({"shift": -0.2}, "low", "too low"),
    ],
)
def test_a_guide_that_is_off_is_caught_and_named(
    change: dict[str, float], kind: str, words: str
) -> None:
    found = calibrate(changed(**change))
    assert [(f.name, f.kind) for f in found.failures] == [("z[1]", kind)]
    assert "1 of 2 units not calibrated" in str(found) and words in str(found)


def test_false_alarms_are_as_rare_as_promised() -> None:
    """p-values of uniform ranks: no more than a share p lies below p, even among few levels."""
    generator = torch.Generator().manual_seed(0)
    for levels in (3, 7, 100):
        ranks = torch.randint(levels, (400, 300), generator=generator)
        p = np.array([rank_tests(row, levels - 1)[1] for row in ranks])
        for level in (0.3, 0.1, 0.03):
            assert (p < level).mean() < level + 4 * (level * (1 - level) / len(p)) ** 0.5


def test_a_shape_that_has_the_right_mean_and_width_is_seen() -> None:
    ranks = torch.arange(4).repeat(200) * 3  # 0, 3, 6, 9 of 0, …, 11: not uniform
    assert rank_tests(torch.cat([ranks, ranks + 2]), 11)[0] == "misshapen"
    assert rank_tests(torch.cat([ranks, ranks + 2]), 11)[1] < 1e-9


def test_ties_of_discrete_latents_are_ranked_at_random() -> None:
    program, x = Switch(), torch.zeros(500).double()
    with torch.no_grad():  # the exact posterior: logit + x (loc₁ − loc₀) − (loc₁² − loc₀²) / 2
        program.slope.fill_(2.5)
        program.offset.fill_(0.3 - (1.5**2 - 1) / 2)
    assert simulation_based_calibration(program, x, 1000, 20, seed=0).calibrated
    with torch.no_grad():
        program.offset += 0.7
    found = simulation_based_calibration(program, x, 1000, 20, seed=0)
    assert [(f.name, f.kind) for f in found.failures] == [("h", "high")]


class Shared(dgmppl.Program):
    """mean ~ N(0, 1), x ~ N(mean, 1), the last one hidden, and the exact posterior of both."""

    scale = 1.0

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        mean = pyro.sample("mean", Normal(torch.zeros(()).double(), 1.0))
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(mean, 1.0))
            pyro.sample("x", Normal(z, 1.0), obs=x)

    def guide(self, x: Tensor) -> None:
        precision = 1 + len(x) / 2
        mean = pyro.sample("mean", Normal(x.sum() / 2 / precision, precision**-0.5 * self.scale))
        with dgmppl.data_plate(x):
            pyro.sample("z", Normal((x + mean) / 2, 0.5**0.5))


def test_shared_latents_have_a_simulation_each() -> None:
    program, x = Shared(), torch.zeros(4).double()
    found = simulation_based_calibration(program, x, 100, 19, seed=0)
    assert found.ranks["mean"].shape == found.ranks["z"].shape == (100, 1)
    assert found.calibrated
    program.scale = 0.4
    failures = simulation_based_calibration(program, x, 100, 19, seed=0).failures
    assert ("mean", "narrow") in [(f.name, f.kind) for f in failures]


class Hidden(dgmppl.Program):
    """Latents at several times; the guide is exact where the mask shows them, and only there."""

    def model(self, x: dict[str, Tensor], n: int = 1) -> None:
        plates = pyro.plate("data", len(x["x"]), dim=-1), pyro.plate("time", 2, dim=-2)
        with plates[0], plates[1], poutine.mask(mask=x["shown"].T):
            z = pyro.sample("z", Normal(torch.zeros(()).double(), 1.0).expand([1]).to_event(1))
            pyro.sample("x", Normal(z[..., 0], 1.0), obs=x["x"].T)

    def guide(self, x: dict[str, Tensor]) -> None:
        loc = torch.where(x["shown"], x["x"] / 2, 100.0).T[..., None]
        plates = pyro.plate("data", len(x["x"]), dim=-1), pyro.plate("time", 2, dim=-2)
        with plates[0], plates[1], poutine.mask(mask=x["shown"].T):
            pyro.sample("z", Normal(loc, 0.5**0.5).to_event(1))


def test_hidden_units_are_left_out() -> None:
    shown = torch.tensor([[True, True], [True, False]]).repeat(100, 1)
    x = {"x": torch.zeros(200, 2).double(), "shown": shown}
    found = simulation_based_calibration(Hidden(), x, 400, seed=0)
    assert torch.equal(found.ranks["z"] < 0, ~shown.repeat(2, 1))
    assert found.calibrated


@pytest.mark.parametrize(("number", "draws"), [(50, 9), (300, 99)])
def test_the_band_holds_whole_curves_of_uniform_ranks(number: int, draws: int) -> None:
    band = ecdf_band(number, draws, coverage=0.9)
    ranks = np.random.default_rng(1).integers(draws + 1, size=(2000, number))
    share = np.stack([(ranks < rank).mean(1) for rank in band.ranks], 1)
    inside = ((share >= band.lower) & (share <= band.upper)).all(1).mean()
    # counts are whole, so that the band is a little wide for few of them
    assert 0.9 - 4 * (0.09 / 2000) ** 0.5 < inside < 0.97


@pytest.mark.parametrize("number", [1000, 40])
def test_the_picture_shows_the_worst_units_first(number: int) -> None:
    found = calibrate(changed(log_scale=-0.7), number)
    figure = pictures.rank_histograms(found)
    bars = figure.axes[0]
    assert bars.get_xlabel() == "rank of the true z[1]"
    assert "over-confident" in bars.get_title()
    heights = [bar.get_height() for bar in bars.patches[1:]]
    assert np.isclose(np.mean(heights), 1.0)
    curve = np.asarray(figure.axes[1].lines[1].get_ydata())
    assert curve[: len(curve) // 3].max() > 0.05 and curve[-len(curve) // 3 :].min() < -0.05


def test_what_cannot_be_calibrated_is_refused() -> None:
    def bare(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("x", Bernoulli(0.5), obs=x)

    with pytest.raises(ProgramError, match="without: simulation_based_calibration"):
        simulation_based_calibration(dgmppl.Pair(bare), torch.ones(3))
    with pytest.raises(ValueError, match="at least 20"):
        simulation_based_calibration(LinearGaussian(), data(), 10)
    with pytest.raises(pictures.PictureError, match="at least one unit"):
        pictures.rank_histograms(Calibration({"z": torch.zeros(30, 1).long()}, 9), number=0)


def test_the_seed_decides_and_nothing_else_is_touched() -> None:
    program = LinearGaussian().train()
    state = torch.get_rng_state()
    first, second = (calibrate(program, 100).ranks["z"] for _ in range(2))
    assert torch.equal(first, second) and program.training
    assert torch.equal(torch.get_rng_state(), state)
