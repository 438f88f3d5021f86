"""Data and draws from two Gaussians on the line, whose divergences are known."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import dgmppl
from dgmppl.adversarial import Divergence
from dgmppl.objectives import Adversarial

SHIFT = 1.0  # data are N(0, 1), draws N(1, 1)


class Given(dgmppl.Program):
    """Draws that come with the batch: the model has no parameters, only the critic learns."""

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic

    def model(self, x: Any = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            return dgmppl.implicit("x", x["draws"], obs=x["data"])


def samples(number: int, seed: int = 0) -> dict[str, Tensor]:
    noise = torch.randn(2, number, 1, generator=torch.Generator().manual_seed(seed))
    return {"data": noise[0], "draws": noise[1] + SHIFT}


def linear() -> nn.Module:
    """A critic that holds every affine function of x."""
    return nn.Sequential(nn.Linear(1, 1), nn.Flatten(0))


def network(width: int = 32) -> nn.Module:
    return nn.Sequential(
        nn.Linear(1, width),
        nn.Tanh(),
        nn.Linear(width, width),
        nn.Tanh(),
        nn.Linear(width, 1),
        nn.Flatten(0),
    )


def learned(
    critic: nn.Module,
    divergence: Divergence,
    *,
    steps: int = 300,
    rate: float = 0.02,
    **settings: Any,
) -> tuple[nn.Module, float]:
    """A critic after learning, and the divergence that it finds in fresh samples."""
    objective = Adversarial("x", divergence, **settings)
    run = dgmppl.fit(
        Given(critic),
        samples(40_000),
        objective,
        optimizer=partial(torch.optim.Adam, lr=rate),
        schedule=partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=max(1, steps // 20)),
        batch_size=2_000,
        epochs=max(1, steps // 20),
        device="cpu",
        progress=False,
    )
    fresh = samples(200_000, seed=1)
    with torch.no_grad():
        value = objective.value(
            dgmppl.bind(run.program, fresh), fresh, dgmppl.objectives.Progress()
        )
    return run.program.critic, float(value)
