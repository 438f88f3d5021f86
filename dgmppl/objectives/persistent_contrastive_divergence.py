"""Persistent contrastive divergence: chains of the machine's own that never start again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from dgmppl.binding import Binding
from dgmppl.energy import BlockGibbs, Chains, Machine, States, machine_of
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

    References:
        Training Restricted Boltzmann Machines Using Approximations to the Likelihood Gradient,
        Tijmen Tieleman, 2008. https://doi.org/10.1145/1390156.1390290

    Example:
        >>> print(PersistentContrastiveDivergence())
        E_data[−E] − E_100 chains[−E]
    """

    steps: int = 1
    num_chains: int = 100

    def __post_init__(self) -> None:
        for name in ("steps", "num_chains"):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} of at least 1, got {getattr(self, name)}.")

    def state(self, binding: Binding, x: Any) -> nn.Module:
        """The chains, from the first batch on."""
        super().state(binding, x)
        return Chains(machine_of(binding.program, x), self.num_chains, clamped(binding, x))

    def negative(self, machine: Machine, data: States, x: Any, progress: Progress) -> States:
        """The chains, moved on and kept."""
        chains = progress.state
        if not isinstance(chains, Chains):  # a gradient without a run
            chains = Chains(machine, self.num_chains, data)
        moved = BlockGibbs(self.steps)(machine, chains.states())
        chains.keep(moved)
        return moved

    @property
    def formula(self) -> str:
        """The difference of expectations."""
        return f"E_data[−E] − E_{self.num_chains} chains[−E]"
