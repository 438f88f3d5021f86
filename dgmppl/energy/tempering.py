"""Parallel tempering: copies of chains at higher temperatures, which change places."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dgmppl.energy.field import by_row
from dgmppl.energy.gibbs import BlockGibbs
from dgmppl.energy.machine import Machine, Sampler, States

__all__ = ["ParallelTempering"]


@dataclass(frozen=True)
class ParallelTempering:
    """Moves every replica at its own power, then offers neighbours each other's states.

    States are those of the chains at the first power, then of the same number at the second, and so
    on: R times as many rows as there are chains. Persistent objectives and `machine_chains` use
    the first ones.

    Arguments:
        powers: From 1 down to the least, R of them.
        sampler: The move at one power.

    References:
        Markov Chain Monte Carlo Maximum Likelihood, Charles Geyer, 1991. Parallel Tempering is
        Efficient for Learning Restricted Boltzmann Machines, KyungHyun Cho, Tapani Raiko, Alexander
        Ilin, 2010. https://doi.org/10.1109/IJCNN.2010.5596837
    """

    powers: tuple[float, ...] = (1.0, 0.8, 0.6, 0.4, 0.2)
    sampler: Sampler = field(default_factory=BlockGibbs)

    def __post_init__(self) -> None:
        falling = all(a > b > 0 for a, b in zip(self.powers[:-1], self.powers[1:], strict=True))
        if not self.powers or self.powers[0] != 1.0 or not falling:
            raise ValueError(
                f"Expected powers from 1 downwards, above 0, got {self.powers}. Try (1.0, 0.5)."
            )

    @property
    def replicas(self) -> int:
        """R."""
        return len(self.powers)

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
        """As of `BlockGibbs`, for all replicas."""
        like = next(iter(states.values()))
        number = len(like) // self.replicas
        if number * self.replicas != len(like):
            raise ValueError(
                f"Expected {self.replicas} replicas of the chains, got {len(like)} rows. Try "
                f"machine.initial({self.replicas} * chains)."
            )
        each = like.new_tensor(self.powers).repeat_interleave(number) * power
        states = self.sampler(machine, states, held=held, x=x, power=each)
        for first in (0, 1):  # pairs (0, 1), (2, 3), …, then (1, 2), (3, 4), …
            log_f = each.new_zeros(len(like)) + machine.log_factor(states, x)
            for low in range(first, self.replicas - 1, 2):
                a, b = (slice((low + i) * number, (low + i + 1) * number) for i in (0, 1))
                gain = (each[a] - each[b]) * (log_f[b] - log_f[a])
                taken = torch.rand_like(gain).log() < gain
                states = {n: _swapped(value, a, b, taken) for n, value in states.items()}
        return dict(states)


def _swapped(value: Tensor, a: slice, b: slice, taken: Tensor) -> Tensor:
    rows = by_row(taken, value)
    one, two = torch.where(rows, value[b], value[a]), torch.where(rows, value[a], value[b])
    return torch.cat([value[: a.start], one, two, value[b.stop :]])
