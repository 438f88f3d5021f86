"""Running a program under handlers: isolated from Pyro's global state, one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import chain
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.nn import PyroModule
from pyro.poutine.util import site_is_subsample
from torch import nn

__all__ = [
    "evaluating",
    "isolated",
    "isolated_again",
    "module_device",
    "sample_sites",
    "subsample_sites",
    "trace",
]

# Pyro's handler stack and its settings belong to the process, so runs of programs take turns.
_LOCK = threading.RLock()


def module_device(module: nn.Module) -> torch.device:
    """Where a module's parameters (or else its buffers) live; the CPU when it has neither."""
    first = next(chain(module.parameters(), module.buffers()), None)
    return torch.device("cpu") if first is None else first.device


@contextmanager
def isolated(program: nn.Module, *, validate: bool = False) -> Iterator[None]:
    """Holds Pyro for this thread: an empty parameter store, parameters local to their modules.

    Tensors that the program creates are put where its parameters are, in their precision.

    Arguments:
        program: What is about to run.
        validate: Whether distributions check their arguments and values (slow, thorough).
    """
    for module in program.modules():
        if isinstance(module, PyroModule):
            _localise(module)
    with isolated_again(program, validate=validate):
        yield


@contextmanager
def isolated_again(program: nn.Module, *, validate: bool = False) -> Iterator[None]:
    """The same for a program that ran isolated before, without a walk through its modules."""
    device, kind = module_device(program), _precision(program)
    placed = nullcontext() if device.type == "cpu" else device
    alike = nullcontext() if kind is torch.get_default_dtype() else _default_dtype(kind)
    with (
        _LOCK,
        pyro.settings.context(module_local_params=True),
        pyro.validation_enabled(validate),
        pyro.get_param_store().scope(),
        placed,
        alike,
    ):
        yield


def _precision(module: nn.Module) -> torch.dtype:
    """The type of a module's numbers."""
    for tensor in chain(module.parameters(), module.buffers()):
        if tensor.is_floating_point():
            return tensor.dtype
    return torch.get_default_dtype()


@contextmanager
def _default_dtype(kind: torch.dtype) -> Iterator[None]:
    """What tensors are made of where nothing else is said."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(kind)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _localise(module: PyroModule) -> None:
    """Lets a PyroModule made under Pyro's default settings run with parameters of its own."""
    context = module._pyro_context
    if not hasattr(context, "param_state"):
        context.param_state = {"params": {}, "constraints": {}}


def trace(fn: Callable[..., Any], *args: Any, handlers: tuple[Any, ...] = ()) -> poutine.Trace:
    """Runs `fn(*args)` under handlers, the first innermost, and records its sites."""
    with ExitStack() as stack:
        for handler in reversed(handlers):
            stack.enter_context(handler)
        return poutine.trace(fn).get_trace(*args)


def sample_sites(trace: poutine.Trace) -> dict[str, dict[str, Any]]:
    """The sample sites of a trace by name, plates' subsampling and deterministic sites left out."""
    nodes: dict[str, Any] = trace.nodes
    return {
        name: site
        for name, site in nodes.items()
        if site["type"] == "sample"
        and not site_is_subsample(site)
        and not site["infer"].get("_deterministic", False)
    }


def subsample_sites(trace: poutine.Trace) -> dict[str, dict[str, Any]]:
    """The plates' subsampling sites of a trace by name."""
    nodes: dict[str, Any] = trace.nodes
    return {n: s for n, s in nodes.items() if s["type"] == "sample" and site_is_subsample(s)}


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, and afterwards each part's own mode again.

    Recurrent networks without dropout, which the mode does not change, stay in training mode: in
    the other one cuDNN gives no gradients.
    """
    modes = {part: part.training for part in module.modules()}
    module.eval()
    for part in modes:
        if isinstance(part, nn.RNNBase) and not part.dropout:
            part.training = True
    try:
        yield
    finally:
        for part in module.modules():
            part.training = modes.get(part, module.training)
