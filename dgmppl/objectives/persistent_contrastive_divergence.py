"""Persistent contrastive divergence: chains of the machine's own that never start again."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from dgmppl.binding import Binding
from dgmppl.energy import (
    BlockGibbs,
    Chains,
    FastChains,
    FastWeights,
    Machine,
    Sampler,
    States,
    machine_of,
)
from dgmppl.energy.field import by_row
from dgmppl.objectives.contrastive import Contrastive, clamped
from dgmppl.objectives.objective import Loss, Progress

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
        fast: Fast weights that the chains feel, or `None`.

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
    fast: FastWeights | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "num_chains"):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} of at least 1, got {getattr(self, name)}.")

    def state(self, binding: Binding, x: Any) -> nn.Module:
        """The chains, from the first batch on."""
        super().state(binding, x)
        machine, data = machine_of(binding.program, x), clamped(binding, x)
        if self.fast is not None:
            return FastChains(machine, self._rows, data, binding.parameters(["model"]))
        return Chains(machine, self._rows, data)

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """As of all contrastive objectives; then fast weights follow the same gradient."""
        chains = progress.state
        if self.fast is None or not isinstance(chains, FastChains):
            return super().loss(binding, x, progress)
        parameters = binding.parameters(["model"])
        loss = super().loss(binding, x, progress)
        if torch.is_grad_enabled():
            slopes = torch.autograd.grad(
                loss.surrogate, [*parameters.values()], retain_graph=True, materialize_grads=True
            )
            chains.follow(self.fast, dict(zip(parameters, slopes, strict=True)))
        return loss

    @torch.no_grad()
    def explain(self, binding: Binding, state: nn.Module | None) -> str:
        """The first chain without a finite energy."""
        if not isinstance(state, Chains):
            return ""
        log_factor = machine_of(binding.program).log_factor(state.states())
        lost = (~log_factor.isfinite()).nonzero().flatten().tolist()
        if not lost:
            return ""
        return (
            f"Chain {lost[0]} has an energy of {-float(log_factor[lost[0]]):.3g}, as have "
            f"{len(lost)} of {len(log_factor)}: try a smaller step_size of its sampler."
        )

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
        fast = chains if isinstance(chains, FastChains) else None
        with fast.felt(machine.program) if fast else nullcontext():
            for _ in range(self.steps):
                moved = self.sampler(machine, moved)
        chains.keep(moved)
        return {n: value[: self.num_chains] for n, value in moved.items()}

    @property
    def formula(self) -> str:
        """The difference of expectations."""
        return f"E_data[−E] − E_{self.num_chains} chains[−E]"
