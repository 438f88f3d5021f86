"""A run in a process of its own, to be killed: `python child.py KIND DIRECTORY [resume]`."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pyro
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import dgmppl
from dgmppl.inference import EarlyStopping, Run
from dgmppl.objectives import ELBO, IWAE, DoublyReparameterized
from dgmppl.schedules import Linear

PIXELS = 6


class Program(dgmppl.Program):
    """Running statistics, dropout, and two latents whose names hash differently every time."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.encoder = nn.Sequential(nn.BatchNorm1d(PIXELS), nn.Linear(PIXELS, 8), nn.Dropout(0.2))
        self.decoder = nn.Linear(4, PIXELS)

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            parts = [pyro.sample(name, Normal(torch.zeros(1), 1.0).to_event(1)) for name in "abcd"]
            pyro.sample(
                "x", Bernoulli(logits=self.decoder(torch.cat(parts, -1))).to_event(1), obs=x
            )

    def guide(self, x: Tensor) -> None:
        loc, log_scale = self.encoder(x).chunk(2, -1)
        with dgmppl.data_plate(x):
            for i, name in enumerate("abcd"):
                q = Normal(loc[:, i, None], log_scale[:, i, None].exp())
                pyro.sample(name, q.to_event(1))


def pixels() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(64, PIXELS, generator=generator).round()


def settings(kind: str) -> dict[str, Any]:
    """What `fit` is asked for."""
    common: dict[str, Any] = {
        "data": pixels(),
        "objective": ELBO(temper=Linear(0.0, 1.0, 2)),
        "batch_size": 8,
        "epochs": 4,
        "optimizer": partial(torch.optim.Adam, lr=0.02),
        "schedule": partial(torch.optim.lr_scheduler.MultiStepLR, milestones=[1, 3]),
        "clip_gradient": partial(nn.utils.clip_grad_norm_, max_norm=1.0),
        "checkpoint_seconds": 0.0,
        "progress": False,
        "validation": pixels()[:20],
        "seed": 7,
    }
    if kind == "loader":
        common["data"] = DataLoader(TensorDataset(pixels()), batch_size=8, shuffle=True)
    if kind == "generator":
        own = torch.Generator().manual_seed(11)
        data = TensorDataset(pixels())
        common["data"] = DataLoader(data, batch_size=8, shuffle=True, generator=own)
    if kind == "dataset":
        common["data"] = TensorDataset(pixels())
    if kind == "roles":
        sgd = partial(torch.optim.SGD, lr=0.02, momentum=0.9)
        common["optimizer"] = {"model": sgd, "guide": partial(torch.optim.Adam, lr=0.01)}
        common["objective"] = IWAE(3, gradient=DoublyReparameterized())
    if kind == "stopping":
        common["callbacks"] = [EarlyStopping(patience=1, min_delta=10.0)]
    return common


def learn(kind: str, directory: Path | None, *, resume: bool = False, pause: float = 0.0) -> Run:
    """The run, with a pause after every look at the program so that it can be killed."""
    torch.set_num_threads(1)
    program = Program()
    if pause:
        model = program.model

        def slow(x: Tensor | None = None, n: int = 1) -> None:
            time.sleep(pause)
            model(x, n)

        program.model = slow  # type: ignore[method-assign]
    return dgmppl.fit(program, directory=directory, resume=resume, **settings(kind))


if __name__ == "__main__":
    learn(sys.argv[1], Path(sys.argv[2]), resume="resume" in sys.argv, pause=0.01)
