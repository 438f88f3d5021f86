"""Persistent contrastive divergence: chains of the machine's own that never start again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from dgmppl.binding import Binding
from dgmppl.energy import BlockGibbs, Chains, Machine, Sampler, States, machine_of
from dgmppl.energy.field import by_row
from dgmppl.objectives.contrastive import Contrastive, clamped
from dgmppl.objectives.objective import Progress

__all__ = ["PersistentContrastiveDivergence"]


@dataclass(frozen=True)
class PersistentContrastiveDivergence(Contrastive):
    """E_data[∂ log-factor] − E_chains[∂ log-factor], the chains moving on at every step.

    Also called stochastic maximum likelihood: right in the limit of small steps, for the chains
    then follow the machine as it changes. They are kept in checkpoints.

    Arguments:
        steps: Sweeps of block Gibbs a step.
        num_chains: How many chains.
        sampler: A sweep: `BlockGibbs()`, `ParallelTempering()`, or `Langevin()` and `HMC()` for
            real units.
        restart: The share of chains that start anew from the base measure, at each step.

    References:
        Training Restricted Boltzmann Machines Using Approximations to the Likelihood Gradient,
        Tijmen Tieleman, 2008. https://doi.org/10.1145/1390156.1390290

    Example:
        >>> print(PersistentContrastiveDivergence())
        E_data[−E] − E_100 chains[−E]
    """

    steps: int = 1
    num_chains: int = 100
    sampler: Sampler = field(default_factory=BlockGibbs)
    restart: float = 0.0

    def __post_init__(self) -> None:
        for name in ("steps", "num_chains"):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} of at least 1, got {getattr(self, name)}.")

    def state(self, binding: Binding, x: Any) -> nn.Module:
        """The chains, from the first batch on."""
        super().state(binding, x)
        return Chains(machine_of(binding.program, x), self._rows, clamped(binding, x))

    @property
    def _rows(self) -> int:
        """Chains, and their replicas at other temperatures."""
        return self.num_chains * int(getattr(self.sampler, "replicas", 1))

    def negative(self, machine: Machine, data: States, x: Any, progress: Progress) -> States:
        """The chains, moved on and kept."""
        chains = progress.state
        if not isinstance(chains, Chains):  # a gradient without a run
            chains = Chains(machine, self._rows, data)
        moved: States = chains.states()
        if self.restart:
            anew = machine.initial(self._rows)
            chosen = torch.rand(self._rows, device=next(iter(anew.values())).device)
            moved = {
                n: torch.where(by_row(chosen < self.restart, value), anew[n], value)
                for n, value in moved.items()
            }
        for _ in range(self.steps):
            moved = self.sampler(machine, moved)
        chains.keep(moved)
        return {n: value[: self.num_chains] for n, value in moved.items()}

    @property
    def formula(self) -> str:
        """The difference of expectations."""
        return f"E_data[−E] − E_{self.num_chains} chains[−E]"
