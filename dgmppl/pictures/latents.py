"""Latent sites as tables of units, their posterior means, and what the model makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding, Site
from dgmppl.data.nested import map_tensors
from dgmppl.handlers import Replay
from dgmppl.pictures.at_means import AtMeans, mean_of
from dgmppl.pictures.error import PictureError
from dgmppl.program import guide_of
from dgmppl.randomness import seeded
from dgmppl.traces import evaluating, isolated, sample_sites, trace

__all__ = [
    "from_units",
    "is_discrete",
    "latent_site",
    "posterior_means",
    "prior_moments",
    "rows_first",
    "take",
    "to_units",
]

DRAWS = 64


def latent_site(binding: Binding, name: str | None = None) -> Site:
    """The latent that a picture is about.

    Arguments:
        binding: The program.
        name: Its name; `None` takes the first that is continuous and has one value a datum.

    Raises:
        PictureError: If there is no such site, or no guide that infers it.
    """
    if not binding.has_guide:
        raise PictureError(
            "Expected a program with a guide: the picture shows what it infers. Try with_guide(…)."
        )
    fit = [s for s in binding.latents if s.local and not is_discrete(s)]
    if name is not None:
        fit = [s for s in fit if s.name == name]
    if not fit:
        wanted = "a latent site" if name is None else f"site '{name}' to be a latent"
        raise PictureError(
            f"Expected {wanted} with one continuous value a datum, got the latents "
            f"{[s.name for s in binding.latents]}. Try another site or picture."
        )
    return fit[0]


def posterior_means(binding: Binding, x: Any, seed: int = 0) -> dict[str, Tensor]:
    """The mean of every latent under the guide, in the site's own shape.

    A site whose distribution does not tell its mean (a flow) is averaged over draws; a discrete one
    is drawn. Below the first, means are taken at the means of the sites above.
    """
    names = [s.name for s in binding.latents]
    guide, program = guide_of(binding.program), binding.program
    assert guide is not None
    at_means = AtMeans(names)
    runs: list[dict[str, Tensor]] = []
    with (
        torch.no_grad(),
        evaluating(program),
        seeded(seed),
        isolated(program),
    ):
        while len(runs) < (DRAWS if at_means.drawn else 1):
            sites = sample_sites(trace(guide, x, handlers=(at_means,)))
            runs.append({n: sites[n]["value"] for n in names})
    return {n: _average([run[n] for run in runs], binding.sites[n]) for n in names}


def prior_moments(
    binding: Binding, x: Any, values: Mapping[str, Tensor], site: Site
) -> tuple[Tensor, Tensor]:
    """A site's mean and standard deviation in the model, given other latents, `[B, units]`."""
    program = binding.program
    with torch.no_grad(), evaluating(program), seeded(0), isolated(program):
        sites = sample_sites(trace(program.model, x, handlers=(Replay(values),)))  # type: ignore[arg-type]
        fn = sites[site.name]["fn"]
        loc = mean_of(fn)
        try:
            scale = None if loc is None else fn.stddev.expand(loc.shape)
        except NotImplementedError:
            scale = None
        if loc is None or scale is None or not torch.isfinite(scale).all():
            draws = torch.stack([fn.sample() for _ in range(DRAWS)])
            loc, scale = draws.mean(0), draws.std(0)
    return to_units(binding, site, loc), to_units(binding, site, scale)


def rows_first(binding: Binding, site: Site, value: Tensor) -> Tensor:
    """A site's value with the data as its first dimension, `[B, …]`."""
    return value.movedim(_data_dim(binding, site), 0)


def to_units(binding: Binding, site: Site, value: Tensor) -> Tensor:
    """A site's value as a table, one row a datum and one column a unit `[B, units]`."""
    return rows_first(binding, site, value).flatten(1) if value.dim() > 1 else value[:, None]


def from_units(binding: Binding, site: Site, table: Tensor, like: Tensor) -> Tensor:
    """Undoes `to_units` for a table of any number of rows, in the shape of the value `like`."""
    shape = rows_first(binding, site, like).shape[1:]
    return table.reshape(len(table), *shape).movedim(0, _data_dim(binding, site))


def take(
    binding: Binding, x: Any, values: Mapping[str, Tensor], rows: Tensor
) -> tuple[Any, dict[str, Tensor]]:
    """Rows of a batch and of the latents' values; values shared by all data stay as they are."""
    batch = map_tensors(lambda tensor: tensor[rows.to(tensor.device)], x)
    taken = {}
    for name, value in values.items():
        site = binding.sites[name]
        taken[name] = (
            value.index_select(_data_dim(binding, site), rows.to(value.device))
            if site.local
            else value
        )
    return batch, taken


def _data_dim(binding: Binding, site: Site) -> int:
    return binding.data_dim - len(site.event_shape)


def is_discrete(site: Site) -> bool:
    """Whether a site's values are separate ones."""
    return site.discrete


def _average(values: list[Tensor], site: Site) -> Tensor:
    return values[0] if is_discrete(site) else torch.stack(values).mean(0)
