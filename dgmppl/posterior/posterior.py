"""Posterior draws of a program as an ArviZ container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
import xarray as xr
from torch import nn

from dgmppl.posterior.arviz_versions import Container, container
from dgmppl.posterior.columns import Columns
from dgmppl.posterior.draws import draw_posterior, draw_prior, observed
from dgmppl.posterior.labels import Labels
from dgmppl.posterior.source import Source, hold, need_guide
from dgmppl.randomness import seeded
from dgmppl.traces import evaluating

__all__ = ["contained", "posterior"]


def posterior(
    program: nn.Module,
    x: Any,
    num_samples: int = 500,
    *,
    predictive: bool = True,
    prior_samples: int | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Container:
    """Draws from the guide, the model and the prior at a batch, for ArviZ.

    With S = `num_samples` and B data, one chain:

    | group | holds | shape |
    |---|---|---|
    | posterior | latents as the guide draws them; deterministic sites | `[1, S, B, …]` |
    | posterior_predictive | observed sites drawn anew at those latents | `[1, S, B, …]` |
    | prior, prior_predictive | the same sites drawn from the model alone | `[1, S', B, …]` |
    | log_likelihood | log p of each observed site at those latents, nats | `[1, S, B]` |
    | sample_stats | `log_weight` = Σ log p − Σ log q over sites, nats | `[1, S, B]` |
    | observed_data | the batch, site by site | `[B, …]` |

    Sites outside the data plate have no B. If every latent is such, `log_weight` is `[1, S]`, of
    all data together, and absent where the plate holds only a part of the data; beside latents of
    single data it is split in `log_weight` and `log_weight_shared` `[1, S]`. A guide of single
    values has none. Draws of one chain carry no R-hat: k-hat (`diagnose`) takes its place.

    Draws are made in chunks whose sites hold at most 2²² numbers (16 MiB in single precision; the
    networks' own layers come on top, in the same proportion), whatever S is. The container itself
    grows with S: a predictive group has S · B · D numbers of 4 bytes each, 1 where they are 0 or 1
    (0.4 GB for S = 5,000, B = 100, D = 784). `predictive=False` leaves them out.

    Arguments:
        program: The program, with a guide.
        x: A batch: a tensor, or a mapping or tuple of tensors.
        num_samples: S, draws of the latents.
        predictive: Whether to draw observed sites too.
        prior_samples: S', draws from the prior; `None` takes S, 0 leaves both groups out.
        dims: Site → names of its event dimensions: `{"z": ["unit"]}`. By default `z_dim_0`, ….
            The data plate is "data"; other plates keep their names.
        coords: Dimension → labels. By default each counts from 0, a subsampled plate by its rows.
        seed: For the draws; `None` goes on with the present state.

    Returns:
        `arviz.InferenceData` on ArviZ 0.23, `xarray.DataTree` on 1.x.

    Raises:
        ProgramError: If the program has no latents or no guide, or does not fit the batch.
        NoDensityError: If a site has no density.
        ValueError: If `dims` or `coords` do not fit, or a number of draws is out of range.

    References:
        ArviZ a unified library for exploratory analysis of Bayesian models in Python, Ravin Kumar
        et al., 2019. https://doi.org/10.21105/joss.01143

    Example:
        >>> from dgmppl.models.vae import VAE
        >>> draws = posterior(VAE(data_dim=4, z_dim=2), torch.ones(3, 4), 50, dims={"z": ["unit"]})
        >>> dict(draws.posterior["z"].sizes)
        {'chain': 1, 'draw': 50, 'data': 3, 'unit': 2}
    """
    number = num_samples if prior_samples is None else prior_samples
    if num_samples < 1 or number < 0:
        raise ValueError(
            "Expected num_samples of at least 1 and prior_samples of at least 0, got "
            f"{num_samples} and {number}."
        )
    randomness = nullcontext() if seed is None else seeded(seed)
    with torch.no_grad(), evaluating(program), randomness:
        source = hold(program, x)
        need_guide(source.binding, "posterior")
        labels = Labels.of(source, dims, coords)
        columns = draw_posterior(source, num_samples, predictive=predictive)
        if number:
            columns |= draw_prior(source, number, predictive=predictive)
    return contained(source, labels, columns)


def contained(
    source: Source, labels: Labels, columns: Mapping[str, Columns], chains: int = 1
) -> Container:
    """Groups of draws, chain after chain, and the data, as ArviZ' container."""
    groups: dict[str, xr.Dataset] = {
        name: labels.dataset(part, chains) for name, part in columns.items() if part.arrays
    }
    groups["observed_data"] = labels.constants(observed(source))
    labels.unused(groups)
    return container(groups)
