"""All that differs between ArviZ 0.23 and 1.x."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import arviz as az
import numpy as np
import xarray as xr

__all__ = ["FEWEST_DRAWS", "Container", "container", "elpd", "pareto_k", "smoothed"]

#: `arviz.InferenceData` on 0.23, `xarray.DataTree` on 1.x.
Container: TypeAlias = Any

#: Below this many draws the tail of the weights is too short for a fit.
FEWEST_DRAWS = 30

# By number: 1.x warns when it is asked for names of 0.23.
REFACTORED = int(az.__version__.split(".")[0]) >= 1
EQUAL = 1e-3  # nats; weights that differ by less have no tail to speak of
SMALLEST = -700.0  # nats below the largest weight; exp of less is no normal double


def container(groups: Mapping[str, xr.Dataset]) -> Container:
    """ArviZ' container of these groups, marked as this library's.

    Arguments:
        groups: Group → variables with dimensions (chain, draw, …).

    Returns:
        `InferenceData` on ArviZ 0.23, `DataTree` on 1.x.

    Example:
        >>> draws = xr.Dataset({"z": (("chain", "draw"), np.zeros((1, 5)))})
        >>> container({"posterior": draws}).posterior["z"].shape
        (1, 5)
    """
    attributes = {"inference_library": "dgmppl", **_version()}
    marked = {name: group.assign_attrs(attributes) for name, group in groups.items()}
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **marked})
    return tree if REFACTORED else az.from_datatree(tree)


def _version() -> dict[str, str]:
    """This library's version, where it is installed."""
    try:
        return {"inference_library_version": importlib.metadata.version("dgmppl")}
    except importlib.metadata.PackageNotFoundError:
        return {}


def elpd(result: Any) -> float:
    """The expected log predictive density that `az.loo` found, in nats over all data.

    Arguments:
        result: What `az.loo` returned.
    """
    return float(result.elpd if REFACTORED else result.elpd_loo)


def pareto_k(log_weights: np.ndarray) -> np.ndarray:
    """k-hat, the shape of a generalised Pareto distribution fitted to the tail of each row.

    It is 0 where the tail's weights are equal up to rounding, ∞ where a few weights dwarf the rest,
    and NaN where no tail can be seen: with fewer than 30 draws, or if weights take only few values,
    as they do for discrete latents.

    Arguments:
        log_weights: `[B, S]`, nats, in double precision.

    Returns:
        `[B]`.

    References:
        Pareto Smoothed Importance Sampling, Aki Vehtari et al., 2015.
        https://arxiv.org/abs/1507.02646

    Example:
        >>> heavy = 0.9 * np.random.default_rng(0).exponential(size=(1, 9000))  # Pareto, k = 0.9
        >>> pareto_k(heavy).round(1)
        array([0.9])
    """
    return np.array([_pareto_k(row) for row in np.asarray(log_weights, dtype=np.float64)])


def smoothed(log_weights: np.ndarray) -> np.ndarray:
    """Normalised log-weights, their tails smoothed by the fitted Pareto distribution.

    Where no tail can be fitted the weights stay as they are.

    Arguments:
        log_weights: `[B, S]`, nats, in double precision.

    Returns:
        `[B, S]`; exp of each row sums to 1.

    References:
        Pareto Smoothed Importance Sampling, Aki Vehtari et al., 2015.
        https://arxiv.org/abs/1507.02646

    Example:
        >>> heavy = 0.9 * np.random.default_rng(0).exponential(size=(1, 9000))
        >>> np.exp(smoothed(heavy)).sum().round(6)
        np.float64(1.0)
    """
    rows = []
    for row in np.asarray(log_weights, dtype=np.float64):
        k, log_w = _pareto_k(row), row - row.max()
        if np.isfinite(k) and k != 0.0:
            log_w = _fitted(np.maximum(log_w, SMALLEST))[0]
        rows.append(log_w - np.logaddexp.reduce(log_w))
    return np.array(rows)


def _pareto_k(log_w: np.ndarray) -> float:
    """One datum's."""
    number = len(log_w)
    if number < FEWEST_DRAWS or not np.isfinite(log_w.max()):
        return math.nan
    log_w = np.maximum(log_w - log_w.max(), SMALLEST)
    tail_length = math.ceil(min(number / 5, 3 * math.sqrt(number)))
    tail = np.sort(log_w)[-tail_length - 1 :]
    if tail[-1] - tail[0] <= EQUAL:
        return 0.0
    if tail[1 + tail_length // 4] <= tail[1]:  # the fit divides by its lower quartile
        return math.inf if tail[1] == SMALLEST else math.nan
    with np.errstate(all="ignore"):
        return _fitted(log_w)[1]


def _fitted(log_w: np.ndarray) -> tuple[np.ndarray, float]:
    """ArviZ' smoothed weights and shape: 0.23 takes log-weights, 1.x log-likelihoods, −1 times."""
    if REFACTORED:
        log_w, k = xr.DataArray(-log_w, dims=["draw"]).azstats.psislw(dim="draw")
    else:
        log_w, k = az.psislw(log_w)
    return np.asarray(log_w), float(k)
