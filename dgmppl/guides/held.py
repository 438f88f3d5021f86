"""A network with the parameters that it has now, to be called later."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["Held"]


class Held:
    """Calls a network with the tensors it had when this was made.

    A flow's network runs when a value is scored, which may be after a `functional_call` that put
    detached parameters in its place has ended; those are the ones to score with.

    Arguments:
        net: The network; its attribute `permutation`, if any, is passed on.
        context: Keyword arguments of every call.

    Example:
        >>> net = nn.Linear(1, 1, bias=False)
        >>> held = Held(net)
        >>> before = net(torch.ones(1))
        >>> net.weight = nn.Parameter(net.weight + 1)
        >>> bool(held(torch.ones(1)) == before)
        True
    """

    def __init__(self, net: nn.Module, **context: Any):
        self.net, self.context = net, context
        self.tensors = {**dict(net.named_parameters()), **dict(net.named_buffers())}
        self.permutation = getattr(net, "permutation", None)

    def __call__(self, *inputs: Any) -> Any:
        """The network's value."""
        return torch.func.functional_call(self.net, self.tensors, inputs, self.context)
