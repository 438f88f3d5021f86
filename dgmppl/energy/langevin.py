"""Moves along the gradient, for energies of real units."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.energy.field import by_row
from dgmppl.energy.gibbs import BlockGibbs
from dgmppl.energy.machine import EnergyError, Machine, States

__all__ = ["HMC", "Langevin"]


@dataclass(frozen=True)
class HMC:
    """Trajectories of all real layers together; other layers are drawn as blocks after each.

    Arguments:
        step_size: Of the leapfrog.
        leapfrog: Steps of a trajectory.
        sweeps: How many trajectories.
        adjusted: Whether a trajectory is refused by Metropolis' rule where its energy is off; if
            not, the distribution is kept up to the step's error only.

    References:
        Hybrid Monte Carlo, Simon Duane et al., 1987. https://doi.org/10.1016/0370-2693(87)91197-X
    """

    step_size: float = 0.1
    leapfrog: int = 10
    sweeps: int = 1
    adjusted: bool = True

    def __post_init__(self) -> None:
        if self.step_size <= 0 or self.leapfrog < 1 or self.sweeps < 1:
            raise ValueError(
                f"Expected a positive step_size and leapfrog and sweeps of at least 1, got {self}."
            )

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
        """As of `BlockGibbs`."""
        states = dict(states)
        real = [n for n, layer in machine.layers.items() if layer.real and n not in held]
        others = [n for n in machine.layers if n not in held and n not in real]
        if not real:
            raise EnergyError(
                f"{type(self).__name__} moves need a layer of Real or Gaussian units; the free "
                f"layers are {others}. Try BlockGibbs()."
            )
        for _ in range(self.sweeps):
            states |= self._trajectory(machine, states, real, x, power)
            if others:
                states = BlockGibbs()(machine, states, held={*held, *real}, x=x, power=power)
        return states

    def _trajectory(
        self, machine: Machine, states: States, names: list[str], x: Any, power: float | Tensor
    ) -> dict[str, Tensor]:
        start = {n: states[n] for n in names}
        p = {n: torch.randn_like(value) for n, value in start.items()}
        before, slope = _slope(machine, states, start, x, power)
        before = before - _kinetic(p)
        place = start
        for _ in range(self.leapfrog):
            p = {n: p[n] + 0.5 * self.step_size * slope[n] for n in names}
            place = {n: place[n] + self.step_size * p[n] for n in names}
            after, slope = _slope(machine, states, place, x, power)
            p = {n: p[n] + 0.5 * self.step_size * slope[n] for n in names}
        if not self.adjusted:
            return place
        taken = torch.rand_like(before).log() < after - _kinetic(p) - before
        return {n: torch.where(by_row(taken, place[n]), place[n], start[n]) for n in names}


@dataclass(frozen=True)
class Langevin(HMC):
    """One leapfrog a move: half the squared step along the gradient, and noise of the step's size.

    Arguments:
        step_size: ε; the noise's scale, and √2 times the root of the usual Langevin rate.
        sweeps: How many moves.
        adjusted: As of `HMC`: MALA, or the unadjusted algorithm.

    References:
        Exponential Convergence of Langevin Distributions and Their Discrete Approximations, Gareth
        Roberts, Richard Tweedie, 1996. https://doi.org/10.2307/3318418
    """

    leapfrog: int = 1


def _slope(
    machine: Machine, states: States, place: States, x: Any, power: float | Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The log-factor times a power, `[B]`, and its slopes."""
    with torch.enable_grad():
        leaves = {n: value.detach().requires_grad_() for n, value in place.items()}
        total = power * machine.log_factor({**states, **leaves}, x)
        slopes = torch.autograd.grad(
            total, [*leaves.values()], grad_outputs=torch.ones_like(total.detach())
        )
    return total.detach(), dict(zip(leaves, slopes, strict=True))


def _kinetic(momentum: States) -> Tensor:
    parts = [0.5 * p.square().flatten(1).sum(1) for p in momentum.values()]
    return torch.stack(parts).sum(0)
