"""What a model's predictions miss of the data."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.draw import Draw
from dgmppl.lowering import require
from dgmppl.site_checks import ProgramError
from dgmppl.sites import shown
from dgmppl.weights import Weights

__all__ = ["errors_size", "prediction_errors"]


def errors_size(binding: Binding) -> int:
    """E, how many numbers of a datum are observed."""
    sites = [site for site in binding.observed if site.local]
    return sum(
        math.prod(s.batch_shape + s.event_shape) // s.batch_shape[binding.data_dim] for s in sites
    )


def prediction_errors(tables: Weights) -> Tensor:
    """x − E[x|z] of every observed site of a datum, averaged over draws, side by side: `[B, E]`.

    Raises:
        ProgramError: If a site's distribution has no mean.
    """
    names = [site.name for site in tables.binding.observed if site.local]
    runs = [torch.cat([_errors(run, run.model[name]) for name in names], 1) for run in tables.runs]
    return torch.stack(runs).mean(0)


def _errors(run: Draw, site: dict[str, Any]) -> Tensor:
    """The errors of one site, `[B, E]`."""
    fn = site["fn"]
    try:
        mean = fn.mean
    except NotImplementedError:
        mean = torch.tensor(torch.nan)
    none = ProgramError(
        f"Site '{site['name']}' ({type(fn).__name__}) has no mean that its data could miss. "
        "Expected one for prediction errors. Try errors=None."
    )
    require(mean.isfinite(), lambda: none)
    missed = (site["value"] - mean).reshape(*fn.batch_shape, -1)
    missed = shown(site, missed.movedim(-1, 0)).movedim(0, -1)  # a mask has the batch's shape
    if missed.dim() > -run.binding.particle_dim:
        missed = missed.mean(run.binding.particle_dim - 1)
    return missed.movedim(run.binding.data_dim - 1, 0).flatten(1)
