"""How far one set of posterior draws is from another, unit by unit."""

from __future__ import annotations

import numpy as np
import xarray as xr

from dgmppl.posterior.arviz_versions import Container

__all__ = ["agreement"]

MEASURES = ("shift", "spread", "distance")
PROBABILITIES = (np.arange(400) + 0.5) / 400
DRAWS = ("chain", "draw")


def agreement(draws: Container, reference: Container) -> xr.Dataset:
    """Compares a guide's draws with those of Markov chains (`refine`), or any two containers.

    | measure | is | where they agree |
    |---|---|---|
    | shift | difference of the means, in standard deviations of the reference | 0 |
    | spread | ratio of the standard deviations: below 1 the guide is too sure | 1 |
    | distance | Wasserstein distance of the two margins, in standard deviations likewise | 0 |

    Arguments:
        draws: What `posterior` returned.
        reference: What `refine` returned for the same batch.

    Returns:
        For each latent that both have, `[measure, data, plates, event]`.

    References:
        Computational Optimal Transport, Gabriel Peyré and Marco Cuturi, 2019, remark 2.30.
        https://arxiv.org/abs/1803.00567

    Example:
        >>> from dgmppl.posterior.arviz_versions import container
        >>> z = np.random.default_rng(0).normal(size=(1, 9000, 2))
        >>> dims = ("chain", "draw", "unit")
        >>> one, two = (
        ...     container({"posterior": xr.Dataset({"z": (dims, v)})}) for v in (z + 1, 2 * z)
        ... )
        >>> agreement(one, two)["z"].sel(unit=0).values.round(1)
        array([0.5, 0.5, 0.6])
    """
    first, second = draws.posterior, reference.posterior
    names = [name for name in first.data_vars if name in second.data_vars]
    return xr.Dataset({name: _compared(first[name], second[name]) for name in names})


def _compared(draws: xr.DataArray, reference: xr.DataArray) -> xr.DataArray:
    """One site's measures."""
    scale = reference.std(DRAWS)
    shift = (draws.mean(DRAWS) - reference.mean(DRAWS)) / scale
    quantiles = [array.quantile(PROBABILITIES, DRAWS) for array in (draws, reference)]
    distance = abs(quantiles[0] - quantiles[1]).mean("quantile") / scale
    measures = xr.concat([shift, draws.std(DRAWS) / scale, distance], "measure")
    return measures.assign_coords(measure=list(MEASURES))
