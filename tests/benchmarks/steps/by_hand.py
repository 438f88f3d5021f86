"""The hand-written step: a loss in PyTorch, its gradient, fused Adam."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .place import ON_GPU
from .torch_step import TorchStep, adam, need_compiler
from .workload import UnavailableError

__all__ = ["BoundLoss", "by_hand", "by_hand_captured", "by_hand_compiled"]

#: Program and batch → minus the bound, nats a datum; only the program's networks are used.
BoundLoss = Callable[[nn.Module, Tensor], Tensor]


def by_hand(program: nn.Module, loss: BoundLoss) -> TorchStep:
    """Eager PyTorch."""
    return _loop(program, lambda x: loss(program, x))


def by_hand_compiled(program: nn.Module, loss: BoundLoss) -> TorchStep:
    """The same with forward and backward pass compiled by inductor; on a GPU, as CUDA graphs."""
    need_compiler()
    mode = "reduce-overhead" if ON_GPU else None
    compiled = torch.compile(lambda x: loss(program, x), fullgraph=True, dynamic=False, mode=mode)
    return _loop(program, compiled)


def by_hand_captured(program: nn.Module, loss: BoundLoss) -> TorchStep:
    """The whole eager step as one CUDA graph, from the fourth step on."""
    if not ON_GPU:
        raise UnavailableError("it needs a GPU")
    optimizer = adam(program.parameters(), capturable=True)
    eager, stream, graph = _step(program, loss, optimizer), torch.cuda.Stream(), None
    taken: list[Tensor] = []

    def step(x: Tensor) -> Tensor:
        nonlocal graph, found
        if graph is None and len(taken) < 3:
            taken.append(x)
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                value = eager(x)
            torch.cuda.current_stream().wait_stream(stream)
            return value
        if graph is None:
            graph = torch.cuda.CUDAGraph()
            taken[:] = [x.clone()]
            with torch.cuda.graph(graph):
                found = eager(taken[0])
        taken[0].copy_(x)
        graph.replay()
        return found.clone()

    found = torch.empty(())
    return TorchStep(program, step)


def _loop(program: nn.Module, loss: Callable[[Tensor], Tensor]) -> TorchStep:
    optimizer = adam(program.parameters())
    return TorchStep(program, _step(program, lambda _, x: loss(x), optimizer))


def _step(
    program: nn.Module, loss: BoundLoss, optimizer: torch.optim.Optimizer
) -> Callable[[Tensor], Tensor]:
    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        value = loss(program, x)
        value.backward()
        optimizer.step()
        return -value.detach()

    return step
