"""dgmppl's step, as `fit` makes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.binding import bind
from dgmppl.inference.history import History
from dgmppl.inference.ledger import Ledger
from dgmppl.inference.player import Player
from dgmppl.inference.processes import ALONE
from dgmppl.lowering import backends_for
from dgmppl.objectives import Progress
from dgmppl.objectives.objective import Objective

from .place import ON_GPU
from .torch_step import adam

__all__ = ["step"]

SIZE = 60_000  # data in all; a program without global latents does not ask


def step(
    program: nn.Module, objective: Objective, x: Tensor, *, compile: Any
) -> Callable[[Tensor], Tensor]:
    """Batch → bound before the move, nats a datum.

    Arguments:
        program: Whose parameters move.
        objective: What is maximised.
        x: A batch to look at.
        compile: As of `fit`.
    """
    binding = bind(program, x)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    players = [
        Player(phase, binding, adam, None, None, scaler) for phase in objective.phases(binding)
    ]
    for player in players:
        if backends := backends_for(compile, steps=0):
            player.compile(backends, strict=True, say=lambda text: None)
    ledger = Ledger(History(), every=50 if ON_GPU else 1, processes=ALONE)

    def move(x: Tensor) -> Tensor:
        progress = Progress(size=SIZE)
        values = []
        for player in players:
            estimate = player.estimate(x, progress)
            ledger.record({"step": 0, "epoch": 0, "batch": 0, "phase": ""}, estimate, 1.0)
            if "value" in estimate.names:
                values.append(estimate.numbers[estimate.names.index("value")])
            player.move(estimate)
        return values[0]

    return move
