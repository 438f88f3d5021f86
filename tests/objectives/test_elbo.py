"""KL in closed form: where it is taken, where it must not be, and what it must not change."""

from __future__ import annotations

import pyro
import pytest
import torch
from pyro.distributions import Independent, Normal
from pyro.infer.autoguide import AutoDiagonalNormal
from statistics_of import agree, mean_and_error, values
from torch import Tensor, nn
from torch.distributions import kl_divergence

import dgmppl
from dgmppl.binding import bind
from dgmppl.objectives import ELBO, StickingTheLanding
from dgmppl.weights import weights

DOUBLE = torch.float64


class Chain(dgmppl.Program):
    """top → bottom → x; the guide goes the same way or from the bottom up."""

    def __init__(self, *, bottom_up: bool):
        super().__init__()
        self.bottom_up = bottom_up
        self.slope = nn.Parameter(torch.tensor(0.9, dtype=DOUBLE))

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            top = pyro.sample("top", Normal(self.slope * 0, 1.0))
            bottom = pyro.sample("bottom", Normal(top, 0.5))
            pyro.sample("x", Normal(bottom, 0.5), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            if self.bottom_up:
                bottom = pyro.sample("bottom", Normal(x, 0.6))
                pyro.sample("top", Normal(self.slope * bottom, 0.4))
            else:
                top = pyro.sample("top", Normal(self.slope * x, 0.7))
                pyro.sample("bottom", Normal(0.5 * x + 0.4 * top, 0.4))


def chain_data() -> Tensor:
    return torch.tensor([1.5, -0.5], dtype=DOUBLE).repeat(100)


@pytest.mark.parametrize(("bottom_up", "known"), [(False, {"top", "bottom"}), (True, {"top"})])
@pytest.mark.parametrize("num_particles", [1, 3])
def test_only_sound_terms_are_closed(bottom_up: bool, known: set[str], num_particles: int) -> None:
    program, x = Chain(bottom_up=bottom_up), chain_data()
    assert set(ELBO().closed(weights(program, x, num_particles))) == known


@pytest.mark.parametrize("bottom_up", [False, True])
def test_closed_and_sampled_agree(bottom_up: bool) -> None:
    program, x = Chain(bottom_up=bottom_up), chain_data()
    closed = values(ELBO(), program, x, 300)
    agree(closed, values(ELBO(analytic_kl=False), program, x, 300))


def test_the_unsound_term_would_be_far_off() -> None:
    """From the bottom up, the KL of `bottom` given `top`, drawn later, is no term of the bound."""
    program, x = Chain(bottom_up=True), chain_data()
    binding, wrong = bind(program, x), []
    for _ in range(100):
        w = weights(binding, x)
        run = w.runs[0]
        naive = kl_divergence(run.guide["bottom"]["fn"], run.model["bottom"]["fn"])
        sampled = (w.log_q["bottom"] - w.log_p["bottom"]).mean()
        wrong.append((naive.mean() - sampled).detach())
    mean, error = mean_and_error(torch.stack(wrong))
    assert mean.abs() > 10 * error


class Weighed(dgmppl.Program):
    """Scale and mask around the model's site, and around the guide's too if `both`."""

    def __init__(self, *, both: bool):
        super().__init__()
        self.both = both
        self.loc = nn.Parameter(torch.tensor(0.5, dtype=DOUBLE))

    def seen(self, x: Tensor) -> Tensor:
        return x > 0

    def model(self, x: Tensor, n: int = 1) -> None:
        with dgmppl.data_plate(x), pyro.poutine.mask(mask=self.seen(x)):
            with pyro.poutine.scale(scale=0.5):
                z = pyro.sample("z", Normal(self.loc * 0, 1.0))
            pyro.sample("x", Normal(z, 1.0), obs=x)

    def guide(self, x: Tensor) -> None:
        mask = pyro.poutine.mask(mask=self.seen(x) | (not self.both))
        scale = pyro.poutine.scale(scale=0.5 if self.both else 1.0)
        with dgmppl.data_plate(x), mask, scale:
            pyro.sample("z", Normal(self.loc, 0.8))


@pytest.mark.parametrize("both", [True, False])
def test_scale_and_mask_count_alike_in_closed_form(both: bool) -> None:
    program, x = Weighed(both=both), chain_data()
    assert set(ELBO().closed(weights(program, x))) == ({"z"} if both else set())
    agree(values(ELBO(), program, x, 300), values(ELBO(analytic_kl=False), program, x, 300))


def test_a_change_of_variables_keeps_its_density() -> None:
    """AutoDiagonalNormal's Deltas on positive sites carry the volume change of exp."""

    def model(x: Tensor) -> None:
        scale = pyro.sample("scale", pyro.distributions.LogNormal(torch.zeros(()), 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", Normal(0.0, scale), obs=x)

    x = torch.randn(5)
    pair = dgmppl.Pair(model, AutoDiagonalNormal(model))
    closed = values(ELBO(), pair, x, 800)
    agree(closed, values(ELBO(analytic_kl=False), pair, x, 800))


def test_fixed_scores_take_no_closed_form() -> None:
    w = weights(Chain(bottom_up=False), chain_data())
    assert ELBO(gradient=StickingTheLanding()).closed(w) == {}


def test_divergence_tables_are_pyros() -> None:
    program, x = Chain(bottom_up=False), chain_data()
    w = weights(program, x, 3)
    run = w.runs[0]
    q = run.guide["bottom"]["fn"]
    p = run.model["bottom"]["fn"]
    table = ELBO().closed(w)["bottom"]
    assert table.shape == (3, len(x))
    assert torch.allclose(table, kl_divergence(Independent(q, 0), Independent(p, 0)))
