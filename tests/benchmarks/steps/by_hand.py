"""The hand-written step: a loss in PyTorch, its gradient, fused Adam."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .torch_step import TorchStep, adam, need_compiler

__all__ = ["BoundLoss", "by_hand", "by_hand_compiled"]

#: Program and batch → minus the bound, nats a datum; only the program's networks are used.
BoundLoss = Callable[[nn.Module, Tensor], Tensor]


def by_hand(program: nn.Module, loss: BoundLoss) -> TorchStep:
    """Eager PyTorch."""
    return _loop(program, lambda x: loss(program, x))


def by_hand_compiled(program: nn.Module, loss: BoundLoss) -> TorchStep:
    """The same with forward and backward pass compiled by inductor."""
    need_compiler()
    return _loop(program, torch.compile(lambda x: loss(program, x), fullgraph=True, dynamic=False))


def _loop(program: nn.Module, loss: Callable[[Tensor], Tensor]) -> TorchStep:
    optimizer = adam(program.parameters())

    def step(x: Tensor) -> float:
        value = loss(x)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return -value.item()

    return TorchStep(program, step)
