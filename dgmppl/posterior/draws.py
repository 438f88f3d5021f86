"""Draws of every site, group by group, in chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.draw import Draw
from dgmppl.posterior.axes import as_array, by_draw, event_dim_of
from dgmppl.posterior.columns import Columns
from dgmppl.posterior.log_joint import LogJoint
from dgmppl.posterior.source import Run, Source, chunks
from dgmppl.weights import Weights

__all__ = ["draw_chains", "draw_posterior", "draw_prior", "observed"]


def draw_posterior(source: Source, num_samples: int, *, predictive: bool) -> dict[str, Columns]:
    """Draws from the guide, and what the model makes of them.

    Arguments:
        source: The program on a batch.
        num_samples: S.
        predictive: Whether observed sites are drawn anew.

    Returns:
        Groups posterior, log_likelihood, sample_stats and, if asked for, posterior_predictive.
    """
    groups = _groups(num_samples, predictive)
    start = 0
    for number in chunks(source.binding, num_samples):
        tables = source.weigh(number)
        _put_likelihood(groups["log_likelihood"], tables.runs[0], tables.log_p, start, number)
        _put_weights(groups["sample_stats"], tables, start, number)
        each = number if len(tables.runs) == 1 else 1
        for i, draw in enumerate(tables.runs):
            _put_draw(groups, source, draw, each, start + i * each)
        start += number
    return groups


def draw_chains(
    density: LogJoint, free: Mapping[str, Tensor], *, predictive: bool
) -> dict[str, Columns]:
    """What the model makes of the states of Markov chains.

    Arguments:
        density: What the chains moved in.
        free: Site → unconstrained values, the chains one after the other, `[S, *plates, *event]`.
        predictive: Whether observed sites are drawn anew.

    Returns:
        The groups of `draw_posterior`; sample_stats holds `lp`.
    """
    source, num_samples = density.source, len(next(iter(free.values())))
    groups = _groups(num_samples, predictive)
    start, vectorized = 0, getattr(source.binding.program, "vectorized", True)
    for number in chunks(source.binding, num_samples) if vectorized else [1] * num_samples:
        draw, _ = density.draw({n: value[start : start + number] for n, value in free.items()})
        log_p = {name: draw.log_prob(site) for name, site in draw.model.items()}
        _put_likelihood(groups["log_likelihood"], draw, log_p, start, number)
        _put_joint(groups["sample_stats"], density, log_p, start, number)
        _put_draw(groups, source, draw, number, start)
        start += number
    return groups


def draw_prior(source: Source, num_samples: int, *, predictive: bool) -> dict[str, Columns]:
    """Draws from the model alone, in the shape of the batch.

    Arguments:
        source: The program on a batch.
        num_samples: S.
        predictive: Whether to keep the sites that the batch observes.

    Returns:
        Groups prior and, if asked for, prior_predictive.
    """
    names = ["prior"] + ["prior_predictive"] * predictive
    groups = {name: Columns(num_samples) for name in names}
    start = 0
    for number in chunks(source.binding, num_samples):
        for run in source.ancestral(number):
            _put(groups["prior"], source, _unobserved(source, run), run.number, start)
            if predictive:
                _put(groups["prior_predictive"], source, _observed(run), run.number, start)
            start += run.number
    return groups


def observed(source: Source) -> Columns:
    """The data that the sites observe, as one draw; NaN where they are missing."""
    sites = {site.name: source.nodes[site.name] for site in source.binding.observed}
    given = {n: {**s, "value": s["infer"].get("given", s["value"])} for n, s in sites.items()}
    columns = Columns(1)
    _put(columns, source, {n: s for n, s in given.items() if _is_value(s)}, 1, 0)
    return columns


def _put(columns: Columns, source: Source, sites: dict[str, Any], number: int, start: int) -> None:
    """Writes the values of some sites."""
    for name, site in sites.items():
        event_dim = event_dim_of(source.binding, site, number)
        frames = site["cond_indep_stack"]
        value, plates = by_draw(source.binding, site["value"], event_dim, frames, number)
        columns.put(name, start, as_array(value, site["fn"]), plates)


def _groups(num_samples: int, predictive: bool) -> dict[str, Columns]:
    """Empty groups."""
    names = ["posterior"] + ["posterior_predictive"] * predictive
    groups = {name: Columns(num_samples) for name in names}
    tabular = ("log_likelihood", "sample_stats")
    return groups | {name: Columns(num_samples, events=False) for name in tabular}


def _put_draw(
    groups: dict[str, Columns], source: Source, draw: Draw, number: int, start: int
) -> None:
    """Writes latents, and observed sites drawn anew where there is a group for them."""
    _put(groups["posterior"], source, _latents(source, draw, number), number, start)
    if "posterior_predictive" in groups:
        again = source.replayed(draw, number, redraw=True)
        _put(groups["posterior_predictive"], source, _observed(again), number, start)


def _put_likelihood(
    columns: Columns, draw: Draw, log_p: Mapping[str, Tensor], start: int, number: int
) -> None:
    """Writes log-likelihoods."""
    for site in draw.binding.observed:
        if _is_value(draw.model[site.name]):
            plates = _data(draw.binding) if site.local else ()
            _put_table(columns, site.name, log_p[site.name], plates, start, number)


def _put_joint(
    stats: Columns, density: LogJoint, log_p: Mapping[str, Tensor], start: int, number: int
) -> None:
    """Writes log p(z, x): a datum, or in all where the data share latents."""
    plates = () if density.joint else _data(density.source.binding)
    _put_table(stats, "lp", density.total(log_p), plates, start, number)


def _put_weights(stats: Columns, tables: Weights, start: int, number: int) -> None:
    """Writes log p − log q: a datum where latents are, else of all data together."""
    binding, (local, shared) = tables.binding, tables.ratio()
    if any(site.local for site in binding.draws):
        assert isinstance(local, Tensor)
        _put_table(stats, "log_weight", local, _data(binding), start, number)
        if any(not site.local for site in binding.draws):
            _put_table(stats, "log_weight_shared", torch.as_tensor(shared), (), start, number)
    elif binding.draws and tables.batch == tables.size:
        whole = local.sum(1, keepdim=True) if isinstance(local, Tensor) else local
        _put_table(stats, "log_weight", torch.as_tensor(whole + shared), (), start, number)


def _put_table(
    columns: Columns, name: str, table: Tensor, plates: tuple[str, ...], start: int, number: int
) -> None:
    """Writes a table `[K, B]`, or one of `[K, 1]` that has no plate."""
    table = table.double().expand(number, -1)
    columns.put(name, start, (table if plates else table[:, 0]).cpu().numpy(), plates)


def _data(binding: Binding) -> tuple[str, ...]:
    assert binding.data_plate is not None
    return (binding.data_plate,)


def _latents(source: Source, draw: Draw, number: int) -> dict[str, Any]:
    """The model's latents and deterministic sites."""
    sites = {site.name: draw.model[site.name] for site in source.binding.latents}
    if not source.deterministic:
        return sites
    nodes = source.replayed(draw, number).nodes
    return sites | {name: nodes[name] for name in source.deterministic}


def _unobserved(source: Source, run: Run) -> dict[str, Any]:
    names = [*(site.name for site in source.binding.latents), *source.deterministic]
    return {name: run.nodes[name] for name in names}


def _observed(run: Run) -> dict[str, Any]:
    nodes = run.nodes
    return {
        name: site
        for name, site in nodes.items()
        if site["type"] == "sample" and site["infer"].get("was_observed") and _is_value(site)
    }


def _is_value(site: dict[str, Any]) -> bool:
    """Whether a site holds data, not only a factor."""
    return isinstance(site["value"], Tensor) and type(site["fn"]).__name__ != "Unit"
