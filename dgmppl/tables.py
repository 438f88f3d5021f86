"""The tables of one run of guide and model, with what it was computed from or without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from dgmppl.draw import Draw
from dgmppl.handlers.detach import with_copied_buffers
from dgmppl.lowering import LoweringError, is_lowering

__all__ = ["Tables", "divergences", "recomputed", "tabulate"]


@dataclass(frozen=True)
class Tables:
    """One run's log-densities.

    Arguments:
        run: The run.
        log_p: The model's sites → log-densities in nats, `[K, B]`, or `[K, 1]` for global sites.
        log_q: The guide's sites → log-densities in nats, likewise.
        powers: Site → the power a `Temper` handler gave it.
        shared: Global guide sites → their draws.
        rows: B, the size of the data plate; 0 without one.
        full: N, where the program itself says it; else what `rows` is.
        known: Site → KL(q‖p) in closed form, where it was asked for.
    """

    run: Draw
    log_p: dict[str, Tensor]
    log_q: dict[str, Tensor]
    powers: dict[str, Any]
    shared: dict[str, Tensor]
    rows: int
    full: int
    known: dict[str, Tensor] | None = None


def tabulate(run: Draw, *, closed: bool = False) -> Tables:
    """A run's tables.

    Arguments:
        run: The run.
        closed: Whether sites whose KL(q‖p) is known in closed form have it alone.
    """
    known = divergences(run) if closed else {}
    unknown = {name: site for name, site in run.model.items() if name not in known}
    scored = {n: s for n, s in run.scored.items() if n not in known and not s["is_observed"]}
    stacks = [site["cond_indep_stack"] for site in run.model.values()]
    frames = [f for stack in stacks for f in stack if f.name == run.binding.data_plate]
    powers = {
        name: site["infer"]["power"]
        for sites in (run.model, run.guide)
        for name, site in sites.items()
        if "power" in site["infer"]
    }
    return Tables(
        run,
        {name: run.log_prob(site) for name, site in unknown.items()},
        {name: run.log_prob(site) for name, site in scored.items()},
        powers,
        {n: s["value"] for n, s in run.guide.items() if not run.binding.sites[n].local},
        rows=frames[0].size if frames else 0,
        full=frames[0].full_size or 0 if frames else 0,
        known=known if closed else None,
    )


def recomputed(run: Callable[[], Draw], *, closed: bool = False) -> Tables:
    """A run's tables without its activations, which the backward pass computes once more.

    Running statistics move in the first pass only. The arguments are those of `tabulate`.
    """
    if is_lowering():
        raise LoweringError("chunks of particles are run once more in the backward pass")
    kept: list[Tables] = []

    def tables() -> tuple[Tensor, ...]:
        draw = with_copied_buffers(kept[0].run.binding.program, run) if kept else run()
        found = tabulate(draw, closed=closed)
        known = divergences(draw) if found.known is None else found.known
        found = replace(found, known=known, run=draw.without_sites())
        if not kept:
            kept.append(found)
        parts = (found.log_p, found.log_q, found.known or {})
        return tuple(table for part in parts for table in part.values())

    checkpoint(tables, use_reentrant=False)
    return kept[0]


def divergences(run: Draw) -> dict[str, Tensor]:
    """Site → KL(q‖p) in closed form, where it is known."""
    found = {name: run.divergence(name) for name in run.model if name in run.guide}
    return {n: run.table(run.model[n], kl) for n, kl in found.items() if kl is not None}
