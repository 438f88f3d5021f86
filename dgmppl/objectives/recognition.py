"""What data tell of a machine's layers, by themselves or through a guide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.energy import EnergyError, Machine
from dgmppl.handlers.clamp import Clamp, Undrawn
from dgmppl.program import guide_of
from dgmppl.sites import Kind, is_factor, site_kind
from dgmppl.traces import isolated, sample_sites, trace

__all__ = ["Recognition", "check_summed", "recognise"]


@dataclass(frozen=True)
class Recognition:
    """Layers that are known for each datum, and the densities on the way to them.

    Arguments:
        states: Layer → states `[B, *event]`, of layers that are observed or that the guide draws.
        log_p: Directed site → its log-density given what is above it, nats, `[B]`.
        log_q: Guide's site → its log-density, nats, `[B]`.
        values: Guide's site → its draw.
    """

    states: dict[str, Tensor]
    log_p: dict[str, Tensor]
    log_q: dict[str, Tensor]
    values: dict[str, Tensor]

    def log_weight(self, machine: Machine, x: Any) -> Tensor:
        """log of p(x, known layers) Z / q with all other layers summed out, `[B]`."""
        hidden = [n for n in machine.layers if n not in self.states]
        total = machine.marginal(machine.filled(self.states), hidden, x)
        for name, state in self.states.items():
            total = total + machine.layers[name].log_base(state)
        for log_p in self.log_p.values():
            total = total + log_p
        for log_q in self.log_q.values():
            total = total - log_q
        return total


def recognise(binding: Binding, x: Any) -> Recognition:
    """Runs the guide, if there is one, and the model at its draws.

    Layers that are neither observed nor drawn by the guide have no part in the result. No gradient
    passes through the guide's draws.
    """
    model: Any = binding.program.model
    guide = guide_of(binding.program)
    with isolated(binding.program):
        drawn = {} if guide is None else sample_sites(trace(guide, x))
        values = {n: s["value"].detach() for n, s in drawn.items()}
        sites = sample_sites(trace(model, x, handlers=(Clamp(values), Undrawn())))
        known = {n: s for n, s in sites.items() if s["is_observed"] and not is_factor(s)}
        layers = {n: s["value"] for n, s in known.items() if site_kind(s) is Kind.ENERGY}
        log_p = {n: _log_prob(s) for n, s in known.items() if n not in layers}
        log_q = {n: _log_prob(s) for n, s in drawn.items()}
    return Recognition(layers, log_p, log_q, values)


def check_summed(binding: Binding, machine: Machine, x: Any) -> None:
    """Layers that are neither observed nor drawn by the guide can be summed out.

    Raises:
        EnergyError: If some interact with each other, or a directed site is drawn from one.
    """
    model: Any = binding.program.model
    found = recognise(binding, x)
    hidden = [n for n in machine.layers if n not in found.states]
    if not machine.independent(hidden):
        raise EnergyError(
            f"the layers {hidden} interact with each other and the guide draws none of them. Try a "
            "guide that draws every other layer."
        )
    states = machine.filled(found.states)
    moved = {n: states[n].requires_grad_() for n in hidden}
    with torch.enable_grad(), isolated(binding.program):
        sites = sample_sites(trace(model, x, handlers=(Clamp({**found.values, **states}),)))
        for name in found.log_p:
            total = _log_prob(sites[name]).sum()
            if moved and total.requires_grad:
                slopes = torch.autograd.grad(total, [*moved.values()], allow_unused=True)
                told = [n for n, slope in zip(moved, slopes, strict=True) if slope is not None]
                if told:
                    raise EnergyError(
                        f"site '{name}' is drawn from layer '{told[0]}', which cannot be summed "
                        f"out then. Try a guide that draws '{told[0]}', or a layer of units there."
                    )


def _log_prob(site: dict[str, Any]) -> Tensor:
    """`[B]`, plates within the data summed."""
    value: Tensor = site["fn"].log_prob(site["value"])
    return value.flatten(1).sum(1) if value.dim() > 1 else value
