"""Many moves of a sampler, by one recorded graph."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from dgmppl.energy.machine import Machine, Sampler, States
from dgmppl.lowering import Compile, Graphs, backends_for

__all__ = ["Sweeps"]


class Sweeps:
    """A sampler on a machine; moves are recorded where many are to come.

    Arguments:
        machine: The energy.
        sampler: The move.
        number: How many are to come.
        held: Layers that stay.
        x: A batch of conditions, or `None`.
        compile: As for `fit`.

    Example:
        >>> from dgmppl.energy import BlockGibbs, machine_of
        >>> from dgmppl.models.restricted_boltzmann import RBM
        >>> machine = machine_of(RBM(6, 3))
        >>> sweep = Sweeps(machine, BlockGibbs(), 10)
        >>> sweep(machine.initial(2))["v"].shape
        torch.Size([2, 6])
    """

    def __init__(
        self,
        machine: Machine,
        sampler: Sampler,
        number: int,
        *,
        held: Collection[str] = (),
        x: Any = None,
        compile: Compile = "auto",
    ):
        def move(states: States, power: Tensor) -> dict[str, Tensor]:
            return sampler(machine, states, held=held, x=x, power=power)

        backends, strict = backends_for(compile, number), compile != "auto"
        self.run = Graphs(move, [machine.program], backends, strict=strict)

    @torch.no_grad()
    def __call__(self, states: States, power: float = 1.0) -> dict[str, Tensor]:
        """The states after a move at an inverse temperature."""
        moved: dict[str, Tensor] = self.run(states, next(iter(states.values())).new_tensor(power))
        return moved
