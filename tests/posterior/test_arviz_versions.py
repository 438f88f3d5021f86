"""k-hat finds the shape it should, and the container is what the installed ArviZ reads."""

from __future__ import annotations

import arviz as az
import numpy as np
import pytest
import xarray as xr

from dgmppl.posterior.arviz_versions import REFACTORED, container, elpd, pareto_k


@pytest.mark.parametrize("shape", [0.2, 0.6, 1.0])
def test_k_hat_is_the_shape_of_pareto_weights(shape: float) -> None:
    log_weights = shape * np.random.default_rng(0).exponential(size=(40, 4000))
    found = pareto_k(log_weights)
    error = found.std() / np.sqrt(len(found))
    # the fit's weak prior draws k towards ½ by 10 in a tail of 190
    assert abs(found.mean() - (190 * shape + 5) / 200) < 5 * error + 0.02


def test_k_hat_does_not_depend_on_the_weights_scale() -> None:
    log_weights = np.random.default_rng(0).normal(size=(5, 500))
    assert np.allclose(pareto_k(log_weights), pareto_k(log_weights - 1e4))


def test_k_hat_of_equal_weights_is_zero() -> None:
    rounding = 1e-7 * np.random.default_rng(0).normal(size=(3, 1000))
    assert (pareto_k(rounding - 500.0) == 0).all()


def test_k_hat_of_one_weight_that_dwarfs_the_rest_is_infinite() -> None:
    log_weights = -5000.0 * np.random.default_rng(0).random((3, 1000))
    log_weights[:, 0] = 0.0
    assert (pareto_k(log_weights) > 0.7).all()
    log_weights[:, 1:] -= 1e4
    assert np.isposinf(pareto_k(log_weights)).all()


def test_impossible_draws_are_no_obstacle() -> None:
    log_weights = np.random.default_rng(0).normal(size=(2, 1000))
    log_weights[0, ::2] = -np.inf
    assert np.isfinite(pareto_k(log_weights)).all()


def test_k_hat_is_unknown_of_few_values() -> None:
    rare = np.where(np.random.default_rng(0).random((3, 1000)) < 0.03, 2.0, 0.0)
    assert np.isnan(pareto_k(rare)).all()


def test_k_hat_is_unknown_of_few_draws() -> None:
    assert np.isnan(pareto_k(np.random.default_rng(0).normal(size=(2, 29)))).all()
    assert np.isfinite(pareto_k(np.random.default_rng(0).normal(size=(2, 30)))).all()


def test_the_container_is_arviz_own_and_keeps_its_attributes() -> None:
    draws = np.random.default_rng(0).normal(size=(1, 100))
    groups = {
        "posterior": xr.Dataset({"z": (("chain", "draw"), draws)}),
        "log_likelihood": xr.Dataset(
            {"x": (("chain", "draw", "data"), draws[..., None] * np.ones(3))}
        ),
    }
    result = container(groups)
    assert isinstance(result, xr.DataTree if REFACTORED else az.InferenceData)
    assert result.attrs["inference_library"] == "dgmppl"
    assert result.posterior.attrs["inference_library"] == "dgmppl"
    assert np.isfinite(elpd(az.loo(result)))
