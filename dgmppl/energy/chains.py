"""Chains that go on from step to step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dgmppl.energy.machine import Machine, States

__all__ = ["Chains"]


class Chains(nn.Module):
    """The states of persistent chains, kept as buffers and so in checkpoints.

    Arguments:
        machine: The energy.
        number: How many chains, replicas at other temperatures included.
        data: Observed layer → states `[B, *event]` to start from; other layers start from their
            base measure.
    """

    def __init__(self, machine: Machine, number: int, data: States):
        super().__init__()
        self.names = [*machine.layers]
        for name, start in machine.initial(number).items():
            if name in data:
                start = data[name][torch.arange(number) % len(data[name])]
            self.register_buffer(f"state_{name}", start.clone())

    def states(self) -> dict[str, Tensor]:
        """Layer → states, `[number, *event]`."""
        return {name: self.get_buffer(f"state_{name}") for name in self.names}

    @torch.no_grad()
    def keep(self, states: States) -> None:
        """Goes on from other states."""
        for name, state in self.states().items():
            state.copy_(states[name])
