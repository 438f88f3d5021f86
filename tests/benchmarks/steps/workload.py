"""A workload: a program, batches, and who trains it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from .layers import Layer

__all__ = ["Arrays", "Step", "UnavailableError", "Workload"]

Arrays = Mapping[str, np.ndarray]


class UnavailableError(Exception):
    """A contender that this machine cannot run, and why."""


class Step(Protocol):
    """A contender's training step."""

    def load(self, parameters: Arrays) -> None:
        """Takes these parameters, named as in the program's state."""

    def convert(self, batch: np.ndarray) -> Any:
        """A batch as the step wants it."""

    def __call__(self, x: Any) -> Any:
        """Moves the parameters once; returns the bound before the move, nats a datum.

        What it returns can be made a `float`; a GPU's step may end only then.
        """


@dataclass(frozen=True)
class Workload:
    """What is trained, and by whom.

    Arguments:
        name: A short name.
        about: A line for the table.
        shape: Shape of a batch of 0s and 1s, the data first.
        program: Makes the program; its fresh parameters are where all contenders begin.
        makers: Contender → what makes its step from a batch to look at; some may be missing.
        layers: What the step multiplies.
        block: Steps in a block; the checks take six times as many.
    """

    name: str
    about: str
    shape: tuple[int, ...]
    program: Callable[[], nn.Module]
    makers: Mapping[str, Callable[[np.ndarray], Step]]
    layers: tuple[Layer, ...]
    block: int

    @property
    def flops(self) -> int:
        """Operations of a step's products."""
        return sum(layer.flops for layer in self.layers)

    def parameters(self, seed: int) -> dict[str, np.ndarray]:
        """Initial parameters."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            state = self.program().state_dict()
        return {name: value.numpy().copy() for name, value in state.items()}

    def batches(self, seed: int, number: int = 64) -> np.ndarray:
        """Batches of black and white pictures, `[number, *shape]`, each pixel with its own mean."""
        rng = np.random.default_rng(seed)
        means = rng.uniform(size=self.shape[1:])
        return (rng.uniform(size=(number, *self.shape)) < means).astype(np.float32)
