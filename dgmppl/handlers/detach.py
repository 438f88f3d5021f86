"""Score draws under a guide whose parameters are held fixed."""

from __future__ import annotations

import copy
import warnings
from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution, TransformedDistribution

from dgmppl.lowering import exchanged

__all__ = ["detached", "with_copied_buffers", "with_fixed_parameters"]


def detached(fn: Any) -> Any | None:
    """A copy of a distribution with every tensor detached, or `None` where a copy cannot reach all.

    The parameters of a flow sit in its transforms, which a copy does not reach.

    Arguments:
        fn: A distribution.

    Example:
        >>> import torch
        >>> from pyro.distributions import Normal
        >>> loc = torch.zeros(2, requires_grad=True)
        >>> detached(Normal(loc, 1.0).to_event(1)).base_dist.loc.requires_grad
        False
    """
    if isinstance(fn, TransformedDistribution):
        return None
    twin = copy.copy(fn)
    for name, value in vars(fn).items():
        if isinstance(value, Tensor):
            twin.__dict__[name] = value.detach()
        elif isinstance(value, Distribution):
            inner = detached(value)
            if inner is None:
                return None
            twin.__dict__[name] = inner
        elif isinstance(value, nn.Module):
            return None
    return twin


def with_fixed_parameters(program: nn.Module, fn: Any) -> Any:
    """Calls `fn()` while every parameter of the program is replaced by its detached value.

    Buffers are replaced by copies: running statistics do not move twice.
    """
    return _call(program, fn, {name: p.detach() for name, p in program.named_parameters()})


def with_copied_buffers(program: nn.Module, fn: Any) -> Any:
    """Calls `fn()` while every buffer of the program is replaced by a copy."""
    return _call(program, fn, {}) if next(program.buffers(), None) is not None else fn()


def _call(program: nn.Module, fn: Any, tensors: dict[str, Tensor]) -> Any:
    copies = {name: buffer.clone() for name, buffer in program.named_buffers()}
    with warnings.catch_warnings(), exchanged(program, {**tensors, **copies}):
        warnings.filterwarnings("ignore", ".*was not registered in the param store")
        return fn()
