"""Hidden layers drawn given the data, in the place of a mean field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from dgmppl.energy.gibbs import BlockGibbs
from dgmppl.energy.machine import Machine, Sampler, States
from dgmppl.energy.mean_field import Means

__all__ = ["GibbsInference"]


@dataclass(frozen=True)
class GibbsInference:
    """States of the hidden layers after some sweeps with the data held.

    Where enough of them are made, a learning step follows the likelihood itself and no bound of it,
    with the noise of one draw a datum. What is reported are log-factors at the draws.

    Arguments:
        sweeps: From the base measure.
        sampler: A sweep.

    References:
        Parameter Estimation in General State-Space Models by Stochastic Approximation, Laurent
        Younes, 1989. https://doi.org/10.1007/BF00341287
    """

    sweeps: int = 20
    sampler: Sampler = field(default_factory=BlockGibbs)

    def __post_init__(self) -> None:
        if self.sweeps < 1:
            raise ValueError(f"Expected sweeps of at least 1, got {self.sweeps}. Try 20.")

    @torch.no_grad()
    def __call__(self, machine: Machine, held: States, x: Any = None) -> Means:
        """Draws in the place of means.

        Arguments:
            machine: The energy.
            held: Layer → states `[B, *event]`.
            x: The batch, for conditions.
        """
        rows = len(next(iter(held.values())))
        states: States = {**machine.initial(rows), **held}
        for _ in range(self.sweeps):
            states = self.sampler(machine, states, held=[*held], x=x)
        return Means(states, {}, torch.zeros(rows))
