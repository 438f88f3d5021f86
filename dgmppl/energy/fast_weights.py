"""Parameters that chains feel beside the machine's own, and that fade."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dgmppl.energy.chains import Chains
from dgmppl.energy.machine import Machine, States
from dgmppl.lowering import exchanged

__all__ = ["FastChains", "FastWeights"]


@dataclass(frozen=True)
class FastWeights:
    """Persistent chains feel parameters + fast ones, which push them on from where they stay.

    Fast ones follow the same gradient at a rate of their own and shrink at every step, so that
    chains mix although the machine itself learns slowly.

    Arguments:
        rate: Of the fast parameters.
        decay: What is left of them after a step, in [0, 1).

    References:
        Using Fast Weights to Improve Persistent Contrastive Divergence, Tijmen Tieleman, Geoffrey
        Hinton, 2009. https://doi.org/10.1145/1553374.1553506
    """

    rate: float = 0.05
    decay: float = 0.95

    def __post_init__(self) -> None:
        if self.rate < 0 or not 0 <= self.decay < 1:
            raise ValueError(
                f"Expected a rate of at least 0 and decay in [0, 1), got {self}. Try FastWeights()."
            )


class FastChains(Chains):
    """Chains, and the fast parameters beside a program's.

    Arguments:
        machine: The energy.
        number: How many chains.
        data: Where they start; see `Chains`.
        parameters: The machine's parameters by name.
    """

    def __init__(
        self, machine: Machine, number: int, data: States, parameters: Mapping[str, Tensor]
    ):
        super().__init__(machine, number, data)
        self.moved = {name: f"fast_{name.replace('.', '_')}" for name in parameters}
        for name, buffer in self.moved.items():
            self.register_buffer(buffer, torch.zeros_like(parameters[name].detach()))

    @contextmanager
    def felt(self, program: nn.Module) -> Iterator[None]:
        """Puts the sums in the parameters' places."""
        own = dict(program.named_parameters())
        sums = {n: own[n].detach() + self.get_buffer(fast) for n, fast in self.moved.items()}
        with exchanged(program, sums):
            yield

    @torch.no_grad()
    def follow(self, fast: FastWeights, slopes: Mapping[str, Tensor]) -> None:
        """A step against the slopes of a loss."""
        for name, slope in slopes.items():
            self.get_buffer(self.moved[name]).mul_(fast.decay).sub_(fast.rate * slope)
