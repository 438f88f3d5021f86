"""Contrastive divergence: chains that start at the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dgmppl.energy import BlockGibbs, Machine, Sampler, States
from dgmppl.objectives.contrastive import Contrastive
from dgmppl.objectives.objective import Progress

__all__ = ["ContrastiveDivergence"]


@dataclass(frozen=True)
class ContrastiveDivergence(Contrastive):
    """E_data[∂ log-factor] − the same after k sweeps of block Gibbs from the data.

    Biased for any k, the less the larger k is. Conditions, such as labels that are no units,
    stay with their datum.

    Arguments:
        steps: k.
        sampler: A sweep: `BlockGibbs()`, or `Langevin()` and `HMC()` for real units.

    References:
        Training Products of Experts by Minimizing Contrastive Divergence, Geoffrey Hinton, 2002.
        https://doi.org/10.1162/089976602760128018

    Example:
        >>> print(ContrastiveDivergence(25))
        E_data[−E] − E_25 sweeps from data[−E]
    """

    steps: int = 1
    sampler: Sampler = field(default_factory=BlockGibbs)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"Expected steps of at least 1, got {self.steps}. Try 1.")

    def negative(self, machine: Machine, data: States, x: Any, progress: Progress) -> States:
        """The data, moved on."""
        states: States = machine.filled(data)
        for _ in range(self.steps):
            states = self.sampler(machine, states, x=x)
        return states

    def conditions(self, x: Any) -> Any:
        """Those of the datum where a chain began."""
        return x

    @property
    def formula(self) -> str:
        """The difference of expectations."""
        plural = "s" if self.steps > 1 else ""
        return f"E_data[−E] − E_{self.steps} sweep{plural} from data[−E]"
