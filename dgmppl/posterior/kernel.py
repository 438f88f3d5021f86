"""Markov kernels of Pyro: they move all latents of a batch together."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from pyro.infer import HMC, MCMC, NUTS
from torch import Tensor

from dgmppl.posterior.log_joint import LogJoint

__all__ = ["Chains", "Hamiltonian", "Kernel", "NoUTurn"]


@dataclass(frozen=True)
class Chains:
    """States of Markov chains.

    Arguments:
        free: Site → unconstrained values, `[C, S, *plates, *event]`.
        stats: What is known of each move, `[C, S]`, or `[C, S, B]` where data move apart.
    """

    free: dict[str, Tensor]
    stats: dict[str, Tensor]


class Kernel(ABC):
    """How chains move; a kernel is a frozen dataclass of settings."""

    @abstractmethod
    def run(
        self, density: LogJoint, start: Mapping[str, Tensor], num_samples: int, num_warmup: int
    ) -> Chains:
        """Moves chains from their starting points, with gradients enabled.

        Arguments:
            density: What the chains leave invariant.
            start: Site → unconstrained values, `[C, *plates, *event]`.
            num_samples: S, states kept of each chain.
            num_warmup: Moves before, by which the kernel adapts.
        """


class _OfPyro(Kernel):
    """One chain after the other, by a kernel of Pyro on the sum of all data."""

    @abstractmethod
    def _kernel(self, potential: Callable[[Any], Tensor]) -> HMC:
        """Pyro's kernel."""

    def run(
        self, density: LogJoint, start: Mapping[str, Tensor], num_samples: int, num_warmup: int
    ) -> Chains:
        """Moves chains from their starting points."""

        def potential(free: Mapping[str, Tensor]) -> Tensor:
            return -density({name: value[None] for name, value in free.items()}).sum()

        parts = []
        for rows in zip(*start.values(), strict=True):
            kernel, record = self._kernel(potential), _Record()
            chain = MCMC(
                kernel,
                num_samples,
                num_warmup,
                initial_params=dict(zip(start, rows, strict=True)),
                hook_fn=record,
                disable_progbar=True,
            )
            chain.run()
            parts.append((chain.get_samples(), record.stats(chain.diagnostics())))
        free, stats = (
            {n: torch.stack([p[n] for p in ps]) for n in ps[0]} for ps in zip(*parts, strict=True)
        )
        return Chains(free, stats)


@dataclass
class _Record:
    """Notes a chain's moves after the warm-up."""

    means: list[float] = field(default_factory=list)
    step: float = math.nan

    def __call__(self, kernel: HMC, samples: Any, stage: str, i: int) -> None:
        """What Pyro calls after each move."""
        if stage.lower().startswith("sample"):
            self.means.append(kernel._mean_accept_prob)  # shown by Pyro as text only
            self.step = float(kernel.step_size)

    def stats(self, diagnostics: Mapping[str, Any]) -> dict[str, Tensor]:
        """Each move's, `[S]`."""
        mean = torch.tensor(self.means, dtype=torch.float64)
        total = mean * torch.arange(1, len(mean) + 1)
        diverging = torch.zeros(len(mean), dtype=torch.bool)
        diverging[diagnostics["divergences"]["chain 0"]] = True
        return {
            "acceptance_rate": total.diff(prepend=total.new_zeros(1)).clamp(0.0, 1.0),
            "diverging": diverging,
            "step_size": torch.full_like(mean, self.step),
        }


@dataclass(frozen=True)
class NoUTurn(_OfPyro):
    """The No-U-Turn sampler: trajectories of the length that suits, step size and scales adapted.

    All data of a batch move and are accepted together. That is exact, with latents that are shared
    by the data, too; a move costs about B^¼ times what a single datum would.

    Arguments:
        target_accept_prob: What the step size is adapted to.
        max_tree_depth: Trajectories have at most 2 to this power steps.
        full_mass: Whether correlations are adapted to, not only scales.

    References:
        The No-U-Turn Sampler, Matthew Hoffman and Andrew Gelman, 2014.
        https://jmlr.org/papers/v15/hoffman14a.html
    """

    target_accept_prob: float = 0.8
    max_tree_depth: int = 10
    full_mass: bool = False

    def _kernel(self, potential: Callable[[Any], Tensor]) -> HMC:
        return NUTS(
            potential_fn=potential,
            target_accept_prob=self.target_accept_prob,
            max_tree_depth=self.max_tree_depth,
            full_mass=self.full_mass,
        )


@dataclass(frozen=True)
class Hamiltonian(_OfPyro):
    """Hamiltonian Monte Carlo of fixed trajectory length; step size and scales are adapted.

    All data of a batch move and are accepted together, as in `NoUTurn`.

    Arguments:
        trajectory_length: In units of the adapted scales, rounded down to whole steps: a quarter of
            a period, π/2, leads a Gaussian to a fresh draw, and π back to where it was.
        target_accept_prob: What the step size is adapted to.
        full_mass: Whether correlations are adapted to, not only scales.

    References:
        MCMC using Hamiltonian dynamics, Radford Neal, 2011. https://arxiv.org/abs/1206.1901
    """

    trajectory_length: float = 2.0
    target_accept_prob: float = 0.8
    full_mass: bool = False

    def _kernel(self, potential: Callable[[Any], Tensor]) -> HMC:
        return HMC(
            potential_fn=potential,
            trajectory_length=self.trajectory_length,
            target_accept_prob=self.target_accept_prob,
            full_mass=self.full_mass,
        )
