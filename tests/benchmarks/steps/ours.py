"""dgmppl's step, as `fit` makes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.binding import bind
from dgmppl.inference.player import Player
from dgmppl.objectives import Progress
from dgmppl.objectives.objective import Objective

from .torch_step import adam

__all__ = ["step"]

SIZE = 60_000  # data in all; a program without global latents does not ask


def step(
    program: nn.Module, objective: Objective, x: Tensor, *, compile: Any
) -> Callable[[Tensor], float]:
    """Batch → bound before the move, nats a datum.

    Arguments:
        program: Whose parameters move.
        objective: What is maximised.
        x: A batch to look at.
        compile: `False` runs eagerly.
    """
    if compile is not False:
        raise NotImplementedError("until lowering is merged")
    binding = bind(program, x)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    players = [
        Player(phase, binding, adam, None, None, scaler) for phase in objective.phases(binding)
    ]

    def move(x: Tensor) -> float:
        progress = Progress(size=SIZE)
        values = []
        for player in players:
            loss = player.phase.loss(binding, x, progress)
            values += [] if loss.value is None else [loss.value.item()]
            player.move(loss)
        return values[0]

    return move
