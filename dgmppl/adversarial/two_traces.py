"""Named sites as the model draws them, and as they stand beside the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.binding import Binding
from dgmppl.handlers import Redraw, Replay
from dgmppl.lowering import exchanged
from dgmppl.program import guide_of
from dgmppl.traces import isolated, sample_sites, trace

__all__ = ["TwoTraces", "two_traces", "unmoved"]


@dataclass(frozen=True)
class TwoTraces:
    """The same sites twice, `[B, …]` each, in the same order.

    Arguments:
        data: From the q-trace: observed sites from the batch, latents from the guide.
        draws: From the p-trace: everything from the model.
    """

    data: tuple[Tensor, ...]
    draws: tuple[Tensor, ...]

    def detach(self) -> TwoTraces:
        """Without gradients."""
        return TwoTraces(*(tuple(v.detach() for v in part) for part in (self.data, self.draws)))


def two_traces(binding: Binding, x: Any, sites: Sequence[str], *, moving: bool = True) -> TwoTraces:
    """Draws the sites from the model, as many as a batch has, and puts them beside the data.

    Deterministic sites (`pyro.deterministic`) hold conditions: each trace has its own.

    Arguments:
        binding: The program.
        x: A batch.
        sites: Names.
        moving: Whether gradients are kept and running statistics move on.
    """
    program: Any = binding.program
    still = nullcontext() if moving else unmoved(program)
    with torch.set_grad_enabled(moving and torch.is_grad_enabled()), still, isolated(program):
        drawn: Any = trace(program.model, x, handlers=(Redraw(),)).nodes
        beside: dict[str, Tensor] = {}
        guide = guide_of(program)
        guided = {name for name in sites if name in binding.sites and binding.sites[name].in_guide}
        if guide is not None and guided:
            beside = {n: s["value"] for n, s in sample_sites(trace(guide, x)).items()}
        if any(name not in beside and "obs" not in drawn[name]["infer"] for name in sites):
            replayed: Any = trace(program.model, x, handlers=(Replay(beside),)).nodes
            beside = {name: replayed[name]["value"] for name in sites} | beside
    data = [beside[n] if n in beside else _given(drawn[n]) for n in sites]
    return TwoTraces(tuple(data), tuple(drawn[name]["value"] for name in sites))


def _given(site: dict[str, Any]) -> Tensor:
    """What the batch says of an observed site that was drawn anew."""
    given: Tensor = site["infer"].get("given", site["infer"]["obs"])
    return given


@contextmanager
def unmoved(module: nn.Module) -> Iterator[None]:
    """Running statistics are written to copies, which are forgotten."""
    copies = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with exchanged(module, copies) if copies else nullcontext():
        yield
