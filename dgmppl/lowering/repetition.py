"""Run something twice with the same random numbers, recorded or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dgmppl.lowering.graph import is_lowering

__all__ = ["Repetition"]


class Repetition:
    """Random numbers that are drawn in a first run and met again in later ones.

    Eagerly the generators' states are put back; in a graph, which has none, the numbers themselves
    are kept.

    Arguments:
        device: Where the numbers are drawn, beside the CPU.

    Example:
        >>> draws = Repetition(torch.device("cpu"))
        >>> with draws.first():
        ...     a = torch.randn(3)
        >>> with draws.again():
        ...     b = torch.randn(3)
        >>> bool((a == b).all())
        True
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.kept: list[Any] = []
        self.state: list[Tensor] = []

    @contextmanager
    def first(self) -> Iterator[None]:
        """Around the first run."""
        if is_lowering():
            with _Keep(self.kept):
                yield
            return
        self.state = [torch.get_rng_state()]
        if self.device.type == "cuda":
            self.state.append(torch.cuda.get_rng_state(self.device))
        yield

    @contextmanager
    def again(self) -> Iterator[None]:
        """Around a later run that draws the same."""
        if is_lowering():
            with _Meet(self.kept):
                yield
            return
        torch.set_rng_state(self.state[0])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(self.state[1], self.device)
        yield


def _is_random(func: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in func.tags


class _Keep(TorchDispatchMode):
    """Keeps what random operations give."""

    def __init__(self, kept: list[Any]):
        super().__init__()
        self.kept = kept

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if _is_random(func):
            self.kept.append(result.clone() if func._schema.is_mutable else result)
        return result


class _Meet(TorchDispatchMode):
    """Gives what was kept in the place of new random numbers."""

    def __init__(self, kept: list[Any]):
        super().__init__()
        self.kept = iter(kept)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if not _is_random(func):
            return func(*args, **(kwargs or {}))
        kept = next(self.kept)
        return args[0].copy_(kept) if func._schema.is_mutable else kept
