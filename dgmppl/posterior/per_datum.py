"""Markov kernels under which every datum of a batch moves and is accepted for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from pyro.ops.dual_averaging import DualAveraging
from torch import Tensor

from dgmppl.posterior.kernel import Chains, Kernel
from dgmppl.posterior.log_joint import LogJoint

__all__ = ["Langevin", "PerDatum"]

DIVERGENT = 1000.0  # nats of energy, as Pyro and Stan have it

Values = dict[str, Tensor]


@dataclass(frozen=True)
class PerDatum(Kernel):
    """Hamiltonian Monte Carlo on all chains and all data at once, each pair accepted for itself.

    Given the parameters the data are independent, so that their latents are B posteriors side by
    side: none need wait for the others' acceptance or share their step size, and a step costs one
    run of the model on C · B rows. Where data share latents each chain is accepted as a whole.
    Scales of the coordinates and step sizes are adapted during the warm-up.

    Arguments:
        num_steps: Most leapfrog steps of a move; every move takes a random number of them.
        target_accept_prob: What the step sizes are adapted to.

    References:
        MCMC using Hamiltonian dynamics, Radford Neal, 2011. https://arxiv.org/abs/1206.1901
    """

    num_steps: int = 8
    target_accept_prob: float = 0.8

    def run(
        self, density: LogJoint, start: Mapping[str, Tensor], num_samples: int, num_warmup: int
    ) -> Chains:
        """Moves chains from their starting points."""
        walk = _Walk(density, {name: torch.ones_like(v[0]) for name, v in start.items()})
        state, step, seen = self._adapt(walk, walk.at(dict(start)), num_warmup // 2)
        if seen:
            walk = replace(walk, scales=_scales(seen))
        state, step, _ = self._adapt(walk, state, num_warmup - num_warmup // 2)
        states, moves = [], []
        for _ in range(num_samples):
            state, accept, diverging = walk.move(state, step, self._steps())
            states.append(state.free)
            moves.append((accept, diverging, step))
        stats = [torch.stack(column, 1) for column in zip(*moves, strict=True)]
        names = ("acceptance_rate", "diverging", "step_size")
        stats = [s.squeeze(-1) for s in stats] if density.joint else stats
        free = {name: torch.stack([s[name] for s in states], 1) for name in start}
        return Chains(free, dict(zip(names, stats, strict=True)))

    def _adapt(
        self, walk: _Walk, state: _State, number: int
    ) -> tuple[_State, Tensor, list[Values]]:
        """Moves while step sizes `[C, B]` are adapted; the states of the latter half."""
        step, seen = torch.ones_like(state.log_p), []
        adaptation = DualAveraging()
        for i in range(number):
            state, accept, _ = walk.move(state, step, self._steps())
            adaptation.step(self.target_accept_prob - accept)
            step = adaptation.get_state()[i == number - 1].exp()  # the average in the end
            if 2 * i >= number:
                seen.append(state.free)
        return state, step, seen

    def _steps(self) -> int:
        """A random number, lest a trajectory close on itself."""
        return int(torch.randint(self.num_steps, ()) + 1)


@dataclass(frozen=True)
class Langevin(PerDatum):
    """The Metropolis-adjusted Langevin algorithm: `PerDatum` of a single step.

    Arguments:
        num_steps: Leapfrog steps of a move.
        target_accept_prob: What the step sizes are adapted to; 0.574 is best in many dimensions.

    References:
        Exponential convergence of Langevin distributions and their discrete approximations, Gareth
        Roberts and Richard Tweedie, 1996. https://doi.org/10.2307/3318418
        Optimal scaling of discrete approximations to Langevin diffusions, Gareth Roberts and
        Jeffrey Rosenthal, 1998. https://doi.org/10.1111/1467-9868.00123
    """

    num_steps: int = 1
    target_accept_prob: float = 0.574


@dataclass(frozen=True)
class _State:
    """Where the chains are, with the log-density there `[C, B]` and its slope."""

    free: Values
    log_p: Tensor
    slope: Values


@dataclass(frozen=True)
class _Walk:
    """Leapfrog moves in a density, `scales` being the lengths of its coordinates."""

    density: LogJoint
    scales: Values

    def at(self, free: Values) -> _State:
        """The state at unconstrained values."""
        leaves = {name: value.detach().requires_grad_() for name, value in free.items()}
        log_p = self.density(leaves)
        slope = torch.autograd.grad(log_p.sum(), [*leaves.values()])
        return _State(free, log_p.detach(), dict(zip(free, slope, strict=True)))

    def move(self, state: _State, step: Tensor, number: int) -> tuple[_State, Tensor, Tensor]:
        """A move of so many steps of size `step`, `[C, B]`: state, acceptance, divergence."""
        length = {n: s * self.density.like(n, step, state.free[n]) for n, s in self.scales.items()}
        speed = {name: torch.randn_like(value) for name, value in state.free.items()}
        before = state.log_p - self._kinetic(speed)
        new = state
        for _ in range(number):
            speed = {n: v + length[n] * new.slope[n] / 2 for n, v in speed.items()}
            new = self.at({n: v + length[n] * speed[n] for n, v in new.free.items()})
            speed = {n: v + length[n] * new.slope[n] / 2 for n, v in speed.items()}
        gain = (new.log_p - self._kinetic(speed) - before).nan_to_num(-torch.inf, posinf=-torch.inf)
        taken = torch.rand_like(gain).log() < gain
        state = _State(
            self._where(taken, new.free, state.free),
            torch.where(taken, new.log_p, state.log_p),
            self._where(taken, new.slope, state.slope),
        )
        return state, gain.exp().clamp(max=1.0), gain < -DIVERGENT

    def _kinetic(self, speed: Values) -> Tensor:
        """½ Σ v², `[C, B]`."""
        return sum(self.density.sum(n, v.square() / 2) for n, v in speed.items())  # type: ignore[return-value]

    def _where(self, taken: Tensor, new: Values, old: Values) -> Values:
        return {n: torch.where(self.density.like(n, taken, v), new[n], v) for n, v in old.items()}


def _scales(seen: list[Values]) -> Values:
    """Standard deviations of the coordinates over states and chains, drawn a little towards 1."""
    number = len(seen) * len(next(iter(seen[0].values())))
    scales = {}
    for name in seen[0]:
        variance = torch.cat([values[name] for values in seen]).var(0, correction=0)
        scales[name] = ((number * variance + 5e-3) / (number + 5)).sqrt()  # as Stan does
    return scales
