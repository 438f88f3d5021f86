"""The random states of PyTorch, NumPy and Python as tensors: taken, put back, seeded."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

__all__ = ["apart", "begin_stream", "restore", "seeded", "snapshot"]

Item = TypeVar("Item")


def snapshot(own: torch.Generator | None = None) -> dict[str, Tensor]:
    """Every generator that a program may draw from.

    Arguments:
        own: One more, such as a `DataLoader`'s.

    Example:
        >>> state = snapshot()
        >>> first = torch.rand(3)
        >>> restore(state)
        >>> bool((torch.rand(3) == first).all())
        True
    """
    states = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        for i, state in enumerate(torch.cuda.get_rng_state_all()):
            states[f"cuda{i}"] = state
    numpy_state: Any = np.random.get_state(legacy=True)
    _, keys, position, has_gauss, gauss = numpy_state
    states["numpy"] = torch.tensor([*keys.tolist(), int(position), int(has_gauss)])
    states["numpy_gauss"] = torch.tensor(float(gauss), dtype=torch.float64)
    version, internal, last = random.getstate()
    states["python"] = torch.tensor([version, *internal])
    states["python_gauss"] = torch.tensor([] if last is None else [last], dtype=torch.float64)
    if own is not None:
        states["own"] = own.get_state()
    return states


def restore(states: dict[str, Tensor], own: torch.Generator | None = None) -> None:
    """Puts a snapshot back; GPUs that this machine lacks are passed over."""
    if own is not None and "own" in states:
        own.set_state(states["own"])
    torch.set_rng_state(states["torch"].cpu())
    for i in range(torch.cuda.device_count()):
        if f"cuda{i}" in states:
            torch.cuda.set_rng_state(states[f"cuda{i}"].cpu(), i)
    *keys, position, has_gauss = states["numpy"].tolist()
    gauss = float(states["numpy_gauss"])
    np.random.set_state(("MT19937", np.array(keys, dtype=np.uint32), position, has_gauss, gauss))
    version, *internal = states["python"].tolist()
    last = states["python_gauss"].tolist()
    random.setstate((version, tuple(internal), last[0] if last else None))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds every generator, and puts the caller's states back at the end.

    Arguments:
        seed: A whole number of at least 0.
    """
    before = snapshot()
    _seed(seed)
    try:
        yield
    finally:
        restore(before)


def begin_stream(*numbers: int) -> None:
    """Seeds every generator by several numbers, such as a seed, a step and a process.

    Arguments:
        numbers: Whole numbers of at least 0.

    Example:
        >>> with seeded(0):
        ...     begin_stream(7, 0, 1)
        ...     one = torch.rand(3)
        ...     begin_stream(7, 0, 2)
        ...     bool((torch.rand(3) == one).any())
        False
    """
    _seed(int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]))


def _seed(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def apart(stream: Iterable[Item], seed: int) -> Iterator[Item]:
    """Items whose own draws do not depend on what is drawn between them.

    So two programs see the same binarised images, however many numbers each draws itself.

    Arguments:
        stream: Draws from the global generators when an item is asked for.
        seed: For those draws.
    """
    with seeded(seed):
        own = snapshot()
    items = iter(stream)
    while True:
        others = snapshot()
        restore(own)
        try:
            item = next(items)
        except StopIteration:
            return
        finally:
            own = snapshot()
            restore(others)
        yield item
