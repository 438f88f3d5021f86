"""Running means of a program's parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dgmppl.lowering import exchanged

__all__ = ["Averages"]


class Averages:
    """Exponentially weighted means of parameters and running statistics over steps.

    The players of a game circle around where they are going; the mean of a generator's parameters
    draws better than the last ones. The first steps weigh less: at step t the decay is at most
    (1 + t) / (10 + t).

    Arguments:
        program: Whose numbers.
        decay: Between 0 and 1; 1 / (1 − decay) steps count.

    References:
        The Unusual Effectiveness of Averaging in GAN Training, Yasin Yazıcı et al., 2018.
        https://arxiv.org/abs/1806.04498

    Example:
        >>> net = nn.Linear(1, 1, bias=False)
        >>> averages = Averages(net, 0.9)
        >>> with averages.shown(), torch.no_grad():
        ...     float(net.weight - averages.means["weight"])
        0.0
    """

    def __init__(self, program: nn.Module, decay: float):
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"Expected an averaging decay in [0, 1), got {decay}. Try 0.999.")
        self.program, self.decay, self.steps = program, decay, 0
        self.means = {name: tensor.detach().clone() for name, tensor in self._numbers().items()}

    def _numbers(self) -> dict[str, Tensor]:
        named = (*self.program.named_parameters(), *self.program.named_buffers())
        return {name: tensor for name, tensor in named if tensor.is_floating_point()}

    @torch.no_grad()
    def update(self) -> None:
        """Takes the present numbers in."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_([*self.means.values()], [*self._numbers().values()], 1.0 - decay)
        self.steps += 1

    def load(self, means: dict[str, Tensor], steps: int) -> None:
        """Goes on from a checkpoint's."""
        for name, mean in self.means.items():
            mean.copy_(means[name])
        self.steps = steps

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The program has the means for a while."""
        with exchanged(self.program, self.means):
            yield

    @torch.no_grad()
    def keep(self) -> None:
        """The program has the means for good."""
        for name, tensor in self._numbers().items():
            tensor.copy_(self.means[name])
