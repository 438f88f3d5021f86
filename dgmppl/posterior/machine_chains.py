"""Chains of a program that is written as an energy, for ArviZ."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from dgmppl.energy import BlockGibbs, Machine, Sampler, States, Sweeps, machine_of
from dgmppl.posterior.arviz_versions import Container, container
from dgmppl.randomness import seeded
from dgmppl.traces import evaluating

__all__ = ["machine_chains"]


def machine_chains(
    program: nn.Module,
    x: Any = None,
    num_samples: int = 500,
    *,
    num_warmup: int = 100,
    num_chains: int = 4,
    sampler: Sampler | None = None,
    start: States | None = None,
    seed: int | None = None,
) -> Container:
    """Runs a machine's chains side by side and keeps what shows whether they mix.

    `az.summary` of the result has R-hat and effective sample sizes: near 1 and in the hundreds
    where the chains mix; a machine whose chains stay where they began has an R-hat far from 1 at
    `log_factor` or `visible_mean`. `ParallelTempering` may help it.

    | group | holds | shape |
    |---|---|---|
    | posterior | `log_factor`, nats, and `visible_mean`, over all observed units | `[C, S]` |
    | posterior | each observed layer's states by name | `[C, S, *event]` |

    Arguments:
        program: The program.
        x: A batch, to look at.
        num_samples: S, states kept of each chain.
        num_warmup: Sweeps before them.
        num_chains: C.
        sampler: A sweep; `BlockGibbs()` unless told. Of `ParallelTempering` the chains at power 1
            are kept.
        start: Layer → states to start from, one row a chain (and replica); by default draws of the
            base measures.
        seed: For the draws; `None` goes on with the present state.

    Returns:
        `arviz.InferenceData` on ArviZ 0.23, `xarray.DataTree` on 1.x.

    Example:
        >>> from dgmppl.models.restricted_boltzmann import RBM
        >>> chains = machine_chains(RBM(6, 3), num_samples=20, num_warmup=0, seed=0)
        >>> chains.posterior["v"].shape, chains.posterior["log_factor"].dims
        ((4, 20, 6), ('chain', 'draw'))
    """
    sampler = BlockGibbs() if sampler is None else sampler
    with torch.no_grad(), evaluating(program), nullcontext() if seed is None else seeded(seed):
        machine = machine_of(program, x)
        rows = num_chains * getattr(sampler, "replicas", 1)
        states: States = machine.initial(rows) if start is None else start
        move = Sweeps(machine, sampler, num_warmup + num_samples)
        for _ in range(num_warmup):
            states = move(states)
        kept: dict[str, list[Tensor]] = {}
        for _ in range(num_samples):
            states = move(states)
            for name, value in _shown(machine, states, num_chains).items():
                kept.setdefault(name, []).append(value.cpu())
    data = {name: torch.stack(values, 1).numpy() for name, values in kept.items()}
    axes = {name: ("chain", "draw", *_axes(name, value)) for name, value in data.items()}
    posterior = xr.Dataset({name: (axes[name], value) for name, value in data.items()})
    return container({"posterior": posterior})


def _shown(machine: Machine, states: States, number: int) -> dict[str, Tensor]:
    first = {name: value[:number] for name, value in states.items()}
    seen = {name: first[name] for name in machine.visible}
    mean = torch.cat([value.flatten(1) for value in seen.values()], 1).mean(1)
    return {"log_factor": machine.log_factor(first), "visible_mean": mean, **seen}


def _axes(name: str, value: np.ndarray) -> list[str]:
    return [f"{name}_dim_{i}" for i in range(value.ndim - 2)]
