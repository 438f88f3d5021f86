"""Run a guide and then its model, with the guide's parameters open or fixed in its scores."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.draw import Draw
from dgmppl.handlers import Impose, Replay, StopGradient
from dgmppl.handlers.detach import detached, with_fixed_parameters
from dgmppl.lowering import Repetition
from dgmppl.program import guide_of
from dgmppl.traces import module_device, sample_sites, subsample_sites, trace

__all__ = ["run_both"]


def run_both(
    binding: Binding,
    x: Any,
    handlers: tuple[Messenger, ...],
    fixed_scores: bool,
    stopped: Collection[str],
    held: dict[str, Tensor],
    shared_globals: bool,
) -> Draw:
    """Runs the guide, then the model at the guide's draws.

    Arguments:
        binding: The program.
        x: A batch.
        handlers: Handlers around both programs, the first innermost.
        fixed_scores: Whether the guide is scored with its parameters detached, its draws not.
        stopped: Guide sites whose draws pass no gradient.
        held: Values that guide sites are given.
        shared_globals: Whether draws outside the data plate are shared by all particles.
    """
    guide, guide_trace = guide_of(binding.program), None
    drawn: dict[str, dict[str, Any]] = {}
    rows: dict[str, Tensor] = {}
    if guide is not None:
        replay = Replay({**_rows(binding, x), **held})
        draws = Repetition(module_device(binding.program))
        with draws.first() if fixed_scores else nullcontext():
            stop = (StopGradient(stopped),) if stopped else ()
            guide_trace = trace(guide, x, handlers=(replay, *stop, *handlers))
        drawn = sample_sites(guide_trace)
        rows = {n: s["value"] for n, s in subsample_sites(guide_trace).items()}
    values = {n: s["value"] for n, s in drawn.items()}
    scored = drawn
    if fixed_scores and guide is not None:
        values = {n: v.view_as(v) for n, v in values.items()}
        again = partial(_again, binding, x, draws, (replay, *handlers))
        scored = _fixed(binding, drawn, values, again, shared_globals)
    replay = Replay({**values, **rows})
    model: Any = binding.program.model
    model_trace = trace(model, x, handlers=(replay, *handlers))
    return Draw(binding, sample_sites(model_trace), drawn, scored, values if fixed_scores else {})


def _rows(binding: Binding, x: Any) -> dict[str, Tensor]:
    """The rows a model chose for its plates, where the guide would draw its own."""
    if not binding.aligned:
        return {}
    with torch.no_grad():
        sites = subsample_sites(trace(binding.program.model, x))  # type: ignore[arg-type]
    return {name: sites[name]["value"] for name in binding.aligned}


def _again(
    binding: Binding,
    x: Any,
    draws: Repetition,
    handlers: tuple[Messenger, ...],
    values: dict[str, Tensor],
) -> dict[str, dict[str, Any]]:
    """The guide's sites at values, by the same random numbers, with its parameters detached."""
    guide: Any = guide_of(binding.program)

    def scored() -> dict[str, dict[str, Any]]:
        # here, for a flow may read its parameters only when it is asked for a density
        sites = sample_sites(trace(guide, x, handlers=(Impose(values), *handlers)))
        return {n: {**s, "log_density": s["fn"].log_prob(s["value"])} for n, s in sites.items()}

    with draws.again():
        return with_fixed_parameters(binding.program, scored)


def _fixed(
    binding: Binding,
    drawn: dict[str, dict[str, Any]],
    values: dict[str, Tensor],
    again: Callable[[dict[str, Tensor]], dict[str, dict[str, Any]]],
    shared_globals: bool,
) -> dict[str, dict[str, Any]]:
    """The guide's sites with parameters detached, but open to the draws they depend on."""
    copies = {n: detached(s["fn"]) for n, s in drawn.items()} if len(drawn) == 1 else {}
    if copies and None not in copies.values():
        return {n: {**s, "fn": copies[n], "value": values[n]} for n, s in drawn.items()}
    scored = again(values)
    shared = {n: v.detach() for n, v in values.items() if not binding.sites[n].local}
    if shared_globals and 0 < len(shared) < len(values):
        # To the particles of a datum a shared draw is a parameter of the guide: held fixed, too.
        apart = again({**values, **shared})
        scored |= {n: s for n, s in apart.items() if binding.sites[n].local}
    return scored
