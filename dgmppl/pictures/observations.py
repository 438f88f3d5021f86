"""What a picture shows of the data: the observed site, its values, and draws of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.binding import Binding, Site
from dgmppl.data import batch_length, map_tensors
from dgmppl.evaluation import generate
from dgmppl.incomplete import Incomplete
from dgmppl.pictures.at_means import AtMeans
from dgmppl.pictures.error import PictureError
from dgmppl.pictures.latents import rows_first
from dgmppl.program import Guided, Pair
from dgmppl.randomness import seeded
from dgmppl.traces import evaluating, isolated, sample_sites, trace

__all__ = ["decode", "draw_observed", "generated", "observed_rows", "observed_site"]


def observed_site(binding: Binding, name: str | None = None) -> Site:
    """The site that is drawn: the one named, or the observed one with the most values a datum.

    Raises:
        PictureError: If there is none inside the data plate.
    """
    fit = [s for s in binding.observed if s.local and name in (None, s.name)]
    if not fit:
        raise PictureError(
            f"Expected an observed site{f' {name!r}' if name else ''} inside a data plate, got "
            f"{[s.name for s in binding.observed]}. Try dgmppl.data_plate(x, n) around it."
        )
    return max(fit, key=lambda s: math.prod(s.batch_shape + s.event_shape))


def observed_rows(binding: Binding, x: Any, site: Site) -> Tensor:
    """The batch's own values at a site, one row a datum `[B, …]`."""
    program = binding.program
    with torch.no_grad(), evaluating(program), seeded(0), isolated(program):
        value = sample_sites(trace(program.model, x))[site.name]["value"]  # type: ignore[arg-type]
    return rows_first(binding, site, value)


def draw_observed(
    binding: Binding, x: Any, n: int, site: Site, *, means: bool, seed: int | None = 0
) -> Tensor:
    """Fresh draws of a site from the prior (or their means given the latents), `[n, …]`."""
    repeated, count = _request(binding.program, x, n)
    value = generated(binding, site, x=repeated, n=count, means=means, seed=seed)
    return rows_first(binding, site, value)


def decode(
    binding: Binding, x: Any, given: Mapping[str, Tensor], n: int, site: Site, seed: int | None = 0
) -> Tensor:
    """The mean of a site, where some latents are given and the others are at their means.

    Arguments:
        binding: The program.
        x: A batch of n rows: what conditions the model, if anything does.
        given: Latent site → value.
        n: How many rows the values have.
        site: The observed site.
        seed: For latents without a mean.

    Returns:
        Rows `[n, …]`.
    """
    rows, count = _request(binding.program, x, n)
    free = [s.name for s in binding.latents if s.name not in given]
    with isolated(binding.program), AtMeans(free):
        value = generated(binding, site, x=rows, n=count, means=True, seed=seed, given=given)
    return rows_first(binding, site, value)


def generated(binding: Binding, site: Site, *, means: bool, **request: Any) -> Tensor:
    """A site's values from `generate`; draws where there is no mean."""
    if means:
        try:
            value = generate(binding.program, means=True, **request)[site.name]
        except ValueError:
            value = None
        if value is not None and torch.isfinite(value).all():
            return value
    return generate(binding.program, **request)[site.name]


def _request(program: nn.Module, x: Any, n: int) -> tuple[Any, int]:
    """The batch of n rows that a program needs in order to draw, or `None` where it needs none."""
    inner = program
    while isinstance(inner, Guided | Incomplete):
        inner = inner.program
    if isinstance(x, Tensor) and not isinstance(inner, Pair):
        return None, n
    length = batch_length(x)
    index = torch.arange(n) % length
    return map_tensors(lambda tensor: tensor[index.to(tensor.device)], x), n
