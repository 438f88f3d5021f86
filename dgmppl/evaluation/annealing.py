"""Annealed importance sampling: log p(x) by chains from the prior to the posterior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.handlers.unconstrained import bijection, free_event_dim
from dgmppl.mean_weight import log_mean_weight
from dgmppl.posterior.log_joint import LogJoint, log_joint
from dgmppl.posterior.source import hold
from dgmppl.site_checks import ProgramError

__all__ = ["Annealing", "ReverseAnnealing", "annealed"]

Free = dict[str, Tensor]


@dataclass(frozen=True)
class Annealing:
    """Chains that move by Hamiltonian Monte Carlo while the likelihood comes in.

    At step t they leave p(z) p(x|z)^β_t as it is, β_t on a sigmoid from 0 to 1. A first pass finds
    the leapfrog's length at each step, for each datum by itself; a second one, whose lengths then
    are fixed, gives the weights, so that their mean is p(x) without bias.

    Arguments:
        steps: How many intermediate densities.
        chains: For each datum.
        leapfrog: Steps of a trajectory.
        step_size: Of the leapfrog at the start of the first pass.
        acceptance: Of trajectories, that the first pass aims at.

    References:
        Annealed Importance Sampling, Radford Neal, 2001. https://doi.org/10.1023/A:1008923215028
        On the Quantitative Analysis of Decoder-Based Generative Models, Yuhuai Wu et al., 2016.
        https://arxiv.org/abs/1611.04273
    """

    steps: int = 500
    chains: int = 16
    leapfrog: int = 10
    step_size: float = 0.1
    acceptance: float = 0.65

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("chains", 2), ("leapfrog", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"Expected {name} of at least {least}, got {getattr(self, name)}. Try {least}."
                )

    @property
    def powers(self) -> list[float]:
        """β_0 = 0 to β_T = 1."""
        ends = torch.linspace(-4.0, 4.0, self.steps + 1, dtype=torch.float64).sigmoid()
        powers: list[float] = ((ends - ends[0]) / (ends[-1] - ends[0])).tolist()
        return powers

    def __str__(self) -> str:
        return f"annealing in {self.steps} steps of {self.leapfrog} leapfrogs, {self.chains} chains"


@dataclass(frozen=True)
class ReverseAnnealing(Annealing):
    """For programs written as an energy: chains that go back from each datum (RAISE).

    `Annealing` finds log Z too low on average and so log p(x) too high; this finds log p(x) too low
    on average, as far as annealing draws from the machine. Where both agree, both are right.

    References:
        Accurate and Conservative Estimates of MRF Log-Likelihood Using Reverse Annealing, Yuri
        Burda, Roger Grosse, Ruslan Salakhutdinov, 2014. https://arxiv.org/abs/1412.8566
    """


def annealed(program: nn.Module, x: Any, annealing: Annealing) -> tuple[Tensor, Tensor]:
    """log of the mean weight of each datum and its standard error, `[B]` each.

    Arguments:
        program: A program whose latents are numbers that can move.
        x: A batch.
        annealing: The chains.

    Raises:
        ProgramError: If a latent is discrete, or shared by all data.
    """
    density = log_joint(hold(program, x))
    if density.joint:
        shared = next(s.name for s in density.source.binding.latents if not s.local)
        raise ProgramError(
            f"Annealing runs chains of each datum by itself; site '{shared}' is shared by all. Try "
            "refine(program, x), or evidence with a guide."
        )
    sizes = _run(density, annealing, None)[1]
    log_w = _run(density, annealing, sizes)[0]
    return log_mean_weight([log_w])


@dataclass
class _State:
    """Where chains are, and log p(z) and log p(x|z) there."""

    free: Free
    prior: Tensor
    likelihood: Tensor


def _run(
    density: LogJoint, annealing: Annealing, sizes: list[Tensor] | None
) -> tuple[Tensor, list[Tensor]]:
    """The chains' log-weights `[C, B]`, and the leapfrog's length at each step, `[1, B]`."""
    state = _start(density, annealing.chains)
    log_w = torch.zeros_like(state.likelihood)
    size = torch.full_like(state.likelihood[:1], annealing.step_size)
    used: list[Tensor] = []
    powers = annealing.powers
    for t in range(1, len(powers)):
        log_w = log_w + (powers[t] - powers[t - 1]) * state.likelihood
        size = size if sizes is None else sizes[t - 1]
        used.append(size)
        state, accepted = trajectory(density, state, powers[t], size, annealing.leapfrog)
        rate = accepted.float().mean(0, keepdim=True)
        size = size * (0.2 * (rate - annealing.acceptance)).exp()
    return log_w, used


@torch.no_grad()
def _start(density: LogJoint, chains: int) -> _State:
    """Draws of the prior."""
    runs = [run.sites for run in density.source.ancestral(chains)]
    free = {}
    for name, plates in density.plates.items():
        rows = [bijection(run[name]["fn"]).inv(run[name]["value"]) for run in runs]
        own = rows[0].shape[rows[0].dim() - plates - free_event_dim(runs[0][name]["fn"]) :]
        free[name] = torch.stack(rows).reshape(chains, *own)
    return _State(free, *density.parts(free))


def trajectory(
    density: LogJoint, state: _State, power: float, size: Tensor, leapfrog: int
) -> tuple[_State, Tensor]:
    """One trajectory that leaves p(z) p(x|z)^power as it is; and which chains took it, `[C, B]`.

    Arguments:
        density: log p(z, x).
        state: Where the chains are.
        power: β.
        size: The leapfrog's length, `[1, B]`.
        leapfrog: How many.
    """
    steps = {n: density.like(n, size, value) for n, value in state.free.items()}
    momentum = {n: torch.randn_like(value) for n, value in state.free.items()}
    energy = _kinetic(density, momentum) - state.prior - power * state.likelihood
    free, (moved, _, _) = state.free, _slope(density, state.free, power)
    p = {n: momentum[n] + 0.5 * steps[n] * moved[n] for n in free}
    for i in range(leapfrog):
        free = {n: free[n] + steps[n] * p[n] for n in free}
        moved, prior, likelihood = _slope(density, free, power)
        share = 0.5 if i == leapfrog - 1 else 1.0
        p = {n: p[n] + share * steps[n] * moved[n] for n in free}
    after = _kinetic(density, p) - prior - power * likelihood
    accepted = torch.rand_like(energy).log() < energy - after  # no where it is not a number
    taken = {
        n: torch.where(density.like(n, accepted, value), value, state.free[n])
        for n, value in free.items()
    }
    kept = _State(
        taken,
        torch.where(accepted, prior, state.prior),
        torch.where(accepted, likelihood, state.likelihood),
    )
    return kept, accepted


def _slope(density: LogJoint, free: Free, power: float) -> tuple[Free, Tensor, Tensor]:
    """∂/∂u of log p(z) + β log p(x|z), and its two parts."""
    leaves = {n: value.detach().requires_grad_() for n, value in free.items()}
    with torch.enable_grad():
        prior, likelihood = density.parts(leaves)
        total = (prior + power * likelihood).sum()
        slopes = torch.autograd.grad(total, [*leaves.values()])
    return dict(zip(leaves, slopes, strict=True)), prior.detach(), likelihood.detach()


def _kinetic(density: LogJoint, momentum: Free) -> Tensor:
    return sum((0.5 * density.sum(n, p.square()) for n, p in momentum.items()), torch.zeros(()))
