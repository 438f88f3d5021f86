"""The contenders of a game of two players, each with a loss and parameters of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dgmppl.objectives.objective import Objective

from .makers import Makers
from .ours import step
from .place import DEVICE
from .torch_step import TorchStep, adam, need_compiler
from .workload import Step

__all__ = ["PlayerLoss", "game_makers"]

#: Program and batch → what a player lowers, and a number to report (of the critic alone).
PlayerLoss = Callable[[nn.Module, Tensor], tuple[Tensor, Tensor]]


def game_makers(
    program: Callable[[], nn.Module],
    *,
    critic: PlayerLoss,
    generator: PlayerLoss,
    objective: Objective,
) -> Makers:
    """Contender → what makes its step from a batch to look at; Pyro and NumPyro have no games.

    Arguments:
        program: Makes the program, with the modules `critic` and `generator`.
        critic: The critic's loss by hand.
        generator: The generator's.
        objective: The game in dgmppl, with one move of each a step.
    """

    def fresh() -> nn.Module:
        return program().to(DEVICE)

    def by_hand(x: np.ndarray) -> Step:
        return _by_hand(fresh(), critic, generator)

    def by_hand_compiled(x: np.ndarray) -> Step:
        need_compiler()
        compiled = (torch.compile(loss, dynamic=False) for loss in (critic, generator))
        return _by_hand(fresh(), *compiled)

    def ours(x: np.ndarray, *, compile: Any) -> Step:
        mine, batch = fresh(), torch.from_numpy(x).to(DEVICE)
        return TorchStep(mine, step(mine, objective, batch, compile=compile))

    def compiled(x: np.ndarray) -> Step:
        need_compiler()
        return ours(x, compile=True)

    return {
        "hand": by_hand,
        "hand-compiled": by_hand_compiled,
        "dgmppl": partial(ours, compile=False),
        "dgmppl-compiled": compiled,
    }


def _by_hand(program: Any, critic: PlayerLoss, generator: PlayerLoss) -> TorchStep:
    """Each player's loss, gradient and fused Adam; the other's parameters need no gradient."""
    players = [
        (critic, [*program.critic.parameters()], [*program.generator.parameters()]),
        (generator, [*program.generator.parameters()], [*program.critic.parameters()]),
    ]
    optimizers = [adam(own) for _, own, _ in players]

    def move(x: Tensor) -> Tensor:
        values = []
        for (loss, own, others), optimizer in zip(players, optimizers, strict=True):
            _needing(own, True)
            _needing(others, False)
            optimizer.zero_grad()
            lost, value = loss(program, x)
            lost.backward()
            optimizer.step()
            values.append(value.detach())
        return values[0]

    return TorchStep(program, move)


def _needing(parameters: Iterable[nn.Parameter], gradients: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(gradients)
