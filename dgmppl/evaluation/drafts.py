"""Draws that are kept while a program learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dgmppl.data import to_device
from dgmppl.evaluation.generate import generate
from dgmppl.inference import Run
from dgmppl.traces import module_device

__all__ = ["Drafts", "read_drafts"]

FILE = "drafts.npz"


class Drafts:
    """A callback of `fit` that draws from the same noise after some epochs.

    With a directory they are kept in its `drafts.npz`, which `dgmppl inspect` shows.

    Arguments:
        x: Data, for the shape and the conditions of the draws; one draw for each.
        site: The site that is kept; `None` takes the model's last.
        epochs: How many epochs the run has.
        number: After how many of them draws are kept: more often at first.
        seed: Of the noise.

    Example:
        >>> drafts = Drafts(torch.zeros(1, 2), epochs=100)
        >>> [epoch for epoch in range(1, 101) if drafts.wanted(epoch)]
        [2, 6, 14, 25, 39, 56, 77, 100]
    """

    def __init__(
        self, x: Any, site: str | None = None, *, epochs: int, number: int = 8, seed: int = 0
    ):
        self.x, self.site, self.seed = x, site, seed
        shares = [(i / number) ** 2 for i in range(1, number + 1)]
        self.epochs = {max(1, round(epochs * share)) for share in shares}
        self.kept: dict[int, Tensor] = {}

    def wanted(self, epoch: int) -> bool:
        """Whether draws are kept after an epoch."""
        return epoch in self.epochs

    def __call__(self, run: Run) -> None:
        """Keeps draws, if it is time."""
        if not self.wanted(run.epoch):
            return
        if run.directory is not None and not self.kept:
            self.kept = {e: d for e, d in read_drafts(run.directory).items() if e < run.epoch}
        x = to_device(self.x, module_device(run.program))
        draws = generate(run.program, x=x, seed=self.seed)
        self.kept[run.epoch] = draws[self.site or [*draws][-1]].cpu()
        if run.directory is not None and run.directory.is_dir():
            arrays: Any = {str(epoch): d.numpy() for epoch, d in self.kept.items()}
            path = run.directory / FILE
            part = path.with_suffix(".part.npz")
            np.savez_compressed(part, **arrays)
            part.replace(path)


def read_drafts(directory: Path) -> dict[int, Tensor]:
    """Epoch → draws of a run's directory; empty where none were kept."""
    path = directory / FILE
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as kept:
        return {int(epoch): torch.from_numpy(kept[epoch]) for epoch in sorted(kept, key=int)}
