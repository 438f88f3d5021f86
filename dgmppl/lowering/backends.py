"""What becomes of a recorded graph: run as it is, compiled, or replayed by the device."""

from __future__ import annotations

import shutil
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from dgmppl.lowering.graph import LoweringError

__all__ = ["Backend", "Inductor", "Plain"]

#: PyTorch's random numbers; and no trial, of seconds, whether the compiler knows what the CPU does.
OPTIONS = {"fallback_random": True, "cpp.vec_isa_ok": True}


@dataclass(frozen=True)
class Backend(ABC):
    """Builds what runs a graph.

    Arguments:
        cuda_graphs: Whether a GPU replays whole training steps as CUDA graphs.
    """

    cuda_graphs: bool = True

    @abstractmethod
    def build(self, graph: fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        """A callable with the graph's signature.

        Raises:
            LoweringError: If it cannot be built here, with the reason.
        """


@dataclass(frozen=True)
class Plain(Backend):
    """The graph's operations one after the other: built at once, and equal to the bit.

    What is saved is Python: handlers, modules, the recording of gradients.
    """

    def build(self, graph: fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        """The graph's own code."""
        return graph.forward

    def __str__(self) -> str:
        return "a plain graph"


@dataclass(frozen=True)
class Inductor(Backend):
    """PyTorch's compiler: elementwise operations fused into loops, matrix products by the BLAS.

    Random numbers are those of the function, drawn in the same order; rounding differs.
    """

    def build(self, graph: fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        """Compiled code; seconds to a minute."""
        if inputs[0].device.type == "cpu" and not (shutil.which("g++") or shutil.which("clang++")):
            raise LoweringError("no C++ compiler was found. Try installing g++")
        _draw_in_place(graph)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PyTorch's own, while it loads and builds
                from torch._inductor import compile as compiled

                return compiled(graph, [*inputs], options=OPTIONS)
        except Exception as error:
            text = str(error).strip().splitlines() or [""]
            raise LoweringError(f"inductor failed: {type(error).__name__}: {text[0]}") from error

    def __str__(self) -> str:
        return "inductor"


def _draw_in_place(graph: fx.GraphModule) -> None:
    """Bernoulli draws by PyTorch's own operation, where inductor would compare uniform numbers."""
    aten = torch.ops.aten
    for node in list(graph.graph.nodes):
        if node.target is aten.bernoulli.default:
            with graph.graph.inserting_before(node):
                empty = graph.graph.call_function(aten.empty_like.default, node.args[:1])
                drawn = graph.graph.call_function(aten.bernoulli_.Tensor, (empty, node.args[0]))
            node.replace_all_uses_with(drawn)
            graph.graph.erase_node(node)
    graph.recompile()
