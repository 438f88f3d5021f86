"""Several processes as one, by torch.distributed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import Store

from dgmppl.inference.lost import LostProcessError, roll_call
from dgmppl.inference.processes import Made, Processes

__all__ = ["Group"]


@dataclass(frozen=True)
class Group(Processes):
    """The processes of torch.distributed's default group.

    Gradients travel on the device (by NCCL between GPUs), in one message for each type of number.
    What processes agree upon are numbers on the CPU, which travel by gloo: no GPU is waited for.

    Arguments:
        control: A group that carries tensors on the CPU; `None` takes the default one.
        store: Where a lost process is asked for; `None` where the group is the caller's own.
    """

    control: dist.ProcessGroup | None = None
    store: Store | None = None

    def average(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor | None],
        weight: float,
    ) -> list[Tensor | None]:
        """The processes' gradients, averaged: Σ_r weight_r · gradient_r."""
        result: list[Tensor | None] = [None] * len(parameters)
        for places in _alike(parameters):
            own = [(parameters[i], gradients[i]) for i in places]
            dense = [torch.zeros_like(p) if g is None else g for p, g in own]
            # one number more a parameter tells whether it took part in any process
            flat = torch.cat([_marks(own), *(each.reshape(-1) for each in dense)]) * weight
            with self._answered():
                dist.all_reduce(flat)
            shares = flat[len(own) :].split([each.numel() for each in dense])
            for i, (parameter, gradient), mark, share in zip(
                places, own, flat[: len(own)], shares, strict=True
            ):
                if gradient is not None or mark > 0:  # the device is asked only where it must be
                    result[i] = share.view_as(parameter)
        return result

    @torch.no_grad()
    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Overwrites tensors with process 0's, in one message."""
        own = [tensor.detach() for tensor in tensors]
        if not own:
            return
        flat = torch.cat([t.to(self.device).reshape(-1).view(torch.uint8) for t in own])
        with self._answered():
            dist.broadcast(flat, 0)
        sizes = [tensor.numel() * tensor.element_size() for tensor in own]
        for tensor, part in zip(own, flat.split(sizes), strict=True):
            # a copy, for numbers of more than one byte must not begin anywhere
            tensor.copy_(part.clone().view(tensor.dtype).view(tensor.shape))

    def gather(self, numbers: Sequence[float]) -> list[list[float]]:
        """Every process's numbers (equally many), by rank."""
        own = torch.tensor(numbers, dtype=torch.float64)
        every = [torch.empty_like(own) for _ in range(self.size)]
        with self._answered():
            dist.all_gather(every, own, group=self.control)
        return [each.tolist() for each in every]

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Which flags are up in some process."""
        every = self.gather([float(flag) for flag in flags])
        return tuple(max(column) > 0 for column in zip(*every, strict=True))

    def collect(self, value: Made) -> list[Made]:
        """Every process's value, by rank."""
        every: list[Any] = [None] * self.size
        with self._answered():
            dist.all_gather_object(every, value, group=self.control)
        return every

    def first(self, make: Callable[[], Made]) -> Made:
        """What process 0 makes; where it fails, all raise its error."""
        outcome: list[Any] = [None, None]
        if self.is_first:
            try:
                outcome[0] = make()
            except Exception as error:
                outcome[1] = error
        with self._answered():
            dist.broadcast_object_list(outcome, 0, group=self.control)
        if outcome[1] is not None:
            raise outcome[1]
        return cast(Made, outcome[0])

    @contextmanager
    def _answered(self) -> Iterator[None]:
        """Finds out who did not answer, where a message fails.

        A process that gave up the group breaks its neighbours' connections, and theirs their
        neighbours': all come here soon.
        """
        try:
            yield
        except RuntimeError as error:
            if self.store is not None:
                dist.destroy_process_group(self.control)
            missing = roll_call(self.store, self.rank, self.size)
            if not missing:
                raise
            raise LostProcessError(missing, self.rank, self.size) from error


def _marks(own: list[tuple[Tensor, Tensor | None]]) -> Tensor:
    """1 for each parameter with a gradient, 0 for each without."""
    marks = own[0][0].new_ones(len(own))
    for i, (_, gradient) in enumerate(own):
        if gradient is None:
            marks[i] = 0.0
    return marks


def _alike(tensors: Sequence[Tensor]) -> list[list[int]]:
    """The places of tensors that can travel together."""
    places: dict[tuple[torch.device, torch.dtype], list[int]] = defaultdict(list)
    for i, tensor in enumerate(tensors):
        places[tensor.device, tensor.dtype].append(i)
    return [*places.values()]
