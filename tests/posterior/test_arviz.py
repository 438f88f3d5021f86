"""ArviZ works on what `posterior` returns: tables, plots, model comparison, files."""

from __future__ import annotations

import math
from pathlib import Path

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pyro
import pytest
import torch
import xarray as xr
from pyro.distributions import Normal
from torch import Tensor

import dgmppl
from dgmppl.posterior import posterior
from dgmppl.posterior.arviz_versions import Container, elpd

X = torch.tensor([0.3, -1.2, 0.8, 1.9, 0.1, -0.4, 1.1, 0.6]).double()
LENGTH = len(X)


class Mean(dgmppl.Program):
    """μ ~ N(0, I₂), x ~ N(μ₁, 1): the posterior is known."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        self.shift = shift

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        mean = pyro.sample("mean", Normal(torch.zeros(2).double(), 1.0).to_event(1))
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", Normal(mean[..., 0], 1.0), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        loc = torch.stack([x.sum() / (LENGTH + 1) + self.shift, torch.zeros(()).double()])
        scale = torch.tensor([(LENGTH + 1) ** -0.5, 1.0]).double()
        return pyro.sample("mean", Normal(loc, scale).to_event(1))


def draw(shift: float = 0.0, number: int = 2000) -> Container:
    return posterior(Mean(shift), X, number, dims={"mean": ["unit"]}, prior_samples=50, seed=0)


def test_the_summary_is_that_of_the_posterior() -> None:
    table = az.summary(draw(), kind="stats", round_to="none")
    assert list(table.index) == ["mean[0]", "mean[1]"]
    assert abs(float(table["mean"].iloc[0]) - float(X.sum()) / (LENGTH + 1)) < 0.03
    assert abs(float(table["sd"].iloc[1]) - 1) < 0.05


@pytest.mark.parametrize("plot", ["plot_trace", "plot_forest"])
def test_plots_are_drawn(plot: str) -> None:
    getattr(az, plot)(draw(number=100), var_names=["mean"])
    plt.close("all")


def test_loo_is_the_exact_leave_one_out_density() -> None:
    found = elpd(az.loo(draw(number=20_000)))
    rest = X.sum() - X  # x_i given the others is N(Σ/n, 1 + 1/n), n = len + 1 - 1
    exact = Normal(rest / LENGTH, math.sqrt(1 + 1 / LENGTH)).log_prob(X).sum()
    assert abs(found - float(exact)) < 0.05


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # ArviZ 0.23 on pandas 3
def test_compare_prefers_the_better_of_two_guides() -> None:
    table = az.compare({"shifted": draw(shift=0.8), "exact": draw()})
    assert list(table.index) == ["exact", "shifted"]


def test_weights_in_the_container_are_those_of_importance_sampling() -> None:
    """Reweighted draws of a wrong guide have the right mean."""
    draws = draw(shift=0.3, number=20_000)
    log_weight = draws.sample_stats["log_weight"].values[0]
    weight = np.exp(log_weight - log_weight.max())
    mean = np.average(draws.posterior["mean"].values[0, :, 0], weights=weight)
    assert abs(mean - float(X.sum()) / (LENGTH + 1)) < 0.02


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    draws = draw(number=30)
    path = str(tmp_path / "posterior.nc")
    draws.to_netcdf(path)
    again = az.from_netcdf(path)
    names = ["posterior", "posterior_predictive", "prior", "prior_predictive"]
    for name in [*names, "log_likelihood", "sample_stats", "observed_data"]:
        xr.testing.assert_equal(_dataset(draws[name]), _dataset(again[name]))
    assert again.posterior.attrs["inference_library"] == "dgmppl"


def _dataset(group: object) -> xr.Dataset:
    return group.to_dataset() if isinstance(group, xr.DataTree) else group
