"""Block Gibbs sampling, derived from the energy."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.energy.machine import EnergyError, Machine, States

__all__ = ["BlockGibbs", "SingleSite"]


@dataclass(frozen=True)
class BlockGibbs:
    """Draws each group of independent layers given the others, in turn.

    Arguments:
        sweeps: How many times all groups are drawn.

    References:
        Stochastic Relaxation, Gibbs Distributions, and the Bayesian Restoration of Images, Stuart
        Geman, Donald Geman, 1984. https://doi.org/10.1109/TPAMI.1984.4767596
    """

    sweeps: int = 1

    @torch.no_grad()
    def __call__(
        self,
        machine: Machine,
        states: States,
        *,
        held: Collection[str] = (),
        x: Any = None,
        power: float | Tensor = 1.0,
    ) -> dict[str, Tensor]:
        """Moves states on; the distribution ∝ exp(power · log-factor) stays as it is.

        Arguments:
            machine: The energy.
            states: Of every layer.
            held: Layers that stay.
            x: A batch of conditions, or `None`.
            power: An inverse temperature, or one a chain, `[B]`.

        Returns:
            The states after the last sweep.
        """
        states = dict(states)
        blocks = machine.blocks_of([n for n in machine.layers if n not in held])
        for _ in range(self.sweeps):
            for block in blocks:
                fields = machine.fields(states, block, x, power=power)
                states |= {n: machine.layers[n].draw(fields[n]) for n in block}
        return states


@dataclass(frozen=True)
class SingleSite:
    """Draws one unit after the other, for layers that interact with themselves; any energy serves.

    The conditional comes from the log-factors of both values, two evaluations a unit.

    Arguments:
        sites: Layers of `Binary` or `Spins` units.
        sweeps: How many times all units are drawn.
    """

    sites: tuple[str, ...]
    sweeps: int = 1

    @torch.no_grad()
    def __call__(
        self,
        machine: Machine,
        states: States,
        *,
        held: Collection[str] = (),
        x: Any = None,
        power: float | Tensor = 1.0,
    ) -> dict[str, Tensor]:
        """As of `BlockGibbs`; layers that are not among `sites` are drawn as blocks."""
        states = dict(states)
        for _ in range(self.sweeps):
            states = BlockGibbs()(machine, states, held={*held, *self.sites}, x=x, power=power)
            for name in (n for n in self.sites if n not in held):
                states[name] = self._layer(machine, states, name, x, power)
        return states

    def _layer(
        self, machine: Machine, states: States, name: str, x: Any, power: float | Tensor
    ) -> Tensor:
        value = states[name].clone()
        kind = machine.layers[name]
        values = kind.states(torch.arange(2))[:, 0].tolist() if kind.number() < float("inf") else []
        if kind.event_dim != 1 or len(values) != 2:
            raise EnergyError(f"SingleSite needs Binary or Spins units at site '{name}'.")
        low, high = values
        for i in range(kind.size):
            logs = []
            for to in (low, high):
                value[:, i] = to
                logs.append(machine.log_factor({**states, name: value}, x))
            odds = power * (logs[1] - logs[0])
            value[:, i] = low + (high - low) * torch.bernoulli(odds.sigmoid())
        return value
