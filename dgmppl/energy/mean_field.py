"""Mean-field inference, derived from the energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.energy.field import Field
from dgmppl.energy.machine import EnergyError, Machine, States

__all__ = ["MeanField", "Means"]


@dataclass(frozen=True)
class Means:
    """Independent layers that stand in for p(hidden | visible).

    Arguments:
        values: Layer → its mean, `[B, *event]`; layers that are held have their states.
        fields: Layer → the field that its distribution is the conditional of.
        change: By how much the last sweep moved a mean at most, `[B]`.
    """

    values: Mapping[str, Tensor]
    fields: Mapping[str, Field]
    change: Tensor

    def bound(self, machine: Machine, x: Any = None) -> Tensor:
        """E_q[log-factor] + entropy of q ≤ log of the sum over hidden states, `[B]`.

        Gradients pass to the parameters with q held: at a fixed point nothing else is missing.
        """
        total = machine.log_factor(self.values, x)
        for name, field in self.fields.items():
            layer, mean = machine.layers[name], self.values[name]
            total = total + layer.log_partition(field)
            total = total - (field.linear * mean).flatten(-layer.event_dim).sum(-1)
        return total


@dataclass(frozen=True)
class MeanField:
    """Sets each layer to its mean given the others' means, until nothing moves.

    Arguments:
        steps: Sweeps at most.
        damping: The share of the old mean that stays, in [0, 1).
        tolerance: Sweeps end when no mean moves by more; 0 makes all steps.

    References:
        Deep Boltzmann Machines, Ruslan Salakhutdinov, Geoffrey Hinton, 2009.
        https://proceedings.mlr.press/v5/salakhutdinov09a.html
    """

    steps: int = 30
    damping: float = 0.0
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 <= self.damping < 1:
            raise ValueError(
                f"Expected steps of at least 1 and damping in [0, 1), got {self.steps} and "
                f"{self.damping}. Try MeanField()."
            )

    @torch.no_grad()
    def __call__(self, machine: Machine, held: States, x: Any = None) -> Means:
        """The means of all layers that are not held, from their means under no field.

        Arguments:
            machine: The energy.
            held: Layer → states `[B, *event]`.
            x: The batch, for conditions.

        Raises:
            EnergyError: If a layer that is not held is of `Gaussian` units.
        """
        free = [n for n in machine.layers if n not in held]
        if curved := [n for n in free if machine.layers[n].quadratic]:
            raise EnergyError(
                f"Mean field needs units with finitely many values; site '{curved[0]}' is Gaussian."
                " Try Binary units there, or a model that observes it."
            )
        blocks = machine.blocks_of(free)
        values = machine.filled(held)
        values |= {n: machine.layers[n].mean(Field(values[n], values[n])) for n in free}
        fields: dict[str, Field] = {}
        change = torch.zeros(())
        for step in range(self.steps):
            moved = []
            for block in blocks:
                fields |= machine.fields(values, block, x)
                for name in block:
                    new = machine.layers[name].mean(fields[name])
                    if step and self.damping:
                        new = self.damping * values[name] + (1 - self.damping) * new
                    moved.append((new - values[name]).abs().flatten(1).amax(1))
                    values[name] = new
            change = torch.stack(moved).amax(0)
            if self.tolerance and float(change.max()) <= self.tolerance:
                break
        values |= {n: machine.layers[n].mean(field) for n, field in fields.items()}
        return Means(values, fields, change)
