"""What every contender over PyTorch shares."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .place import DEVICE
from .workload import Arrays, UnavailableError

__all__ = ["TorchStep", "adam", "need_compiler"]

#: The optimizer of all contenders.
adam: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
adam = partial(torch.optim.Adam, lr=1e-3, fused=True)


class TorchStep:
    """Loads a program's parameters in place, and calls a step.

    Arguments:
        program: Whose parameters move.
        step: Batch → bound, nats a datum, as a number or a tensor on the device.
    """

    def __init__(self, program: nn.Module, step: Callable[[Tensor], Any]):
        self.program, self.step = program, step
        self.own = program.state_dict()

    @torch.no_grad()
    def load(self, parameters: Arrays) -> None:
        """Copies the values; the tensors stay what they are."""
        for name, value in self.own.items():
            value.copy_(torch.from_numpy(parameters[name]))

    def convert(self, batch: np.ndarray) -> Tensor:
        """A tensor on the device; on the CPU, of the same memory."""
        return torch.from_numpy(batch).to(DEVICE)

    def __call__(self, x: Any) -> Any:
        """One step."""
        return self.step(x)


def need_compiler() -> None:
    """Raises UnavailableError where inductor would find no C++ compiler."""
    candidates = [os.environ["CXX"]] if "CXX" in os.environ else ["g++", "clang++", "c++"]
    if not any(shutil.which(name.split()[0]) for name in candidates):
        raise UnavailableError(f"inductor finds no C++ compiler, such as {candidates[0]}")
