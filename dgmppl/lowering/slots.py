"""Where modules keep their parameters and buffers, and other tensors put there for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

__all__ = ["Slot", "exchanged", "slots"]

#: A module's dict of parameters or buffers, and a key in it.
Slot = tuple[dict[str, Any], str]


def slots(module: nn.Module) -> dict[str, tuple[Slot, Tensor]]:
    """Every parameter and buffer by name: its place and what is there now; shared ones once.

    Example:
        >>> found = slots(nn.Linear(3, 2))
        >>> (where, key), weight = found["weight"]
        >>> where[key] is weight, list(found)
        (True, ['weight', 'bias'])
    """
    found = {}
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        path, _, key = name.rpartition(".")
        owner = module.get_submodule(path)
        where: Any = owner._parameters if key in owner._parameters else owner._buffers
        found[name] = ((where, key), tensor)
    return found


@contextmanager
def exchanged(module: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Puts other tensors in the place of parameters and buffers, wherever a module shares them.

    Unlike `torch.func.functional_call` it gives back what was there where a module stands in two
    places of the tree.

    Arguments:
        module: The module.
        tensors: Name, as of `named_parameters` and `named_buffers` → tensor.

    Example:
        >>> import torch
        >>> net = nn.Linear(2, 1, bias=False)
        >>> with exchanged(net, {"weight": torch.ones(1, 2)}):
        ...     net(torch.ones(2))
        tensor([2.])
    """
    named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    others = {id(named[name]): tensor for name, tensor in tensors.items()}
    kept: list[dict[str, Any]] = [
        where for part in module.modules() for where in (part._parameters, part._buffers)
    ]
    places = [(w, key, tensor) for w in kept for key, tensor in w.items() if id(tensor) in others]
    for where, key, tensor in places:
        where[key] = others[id(tensor)]
    try:
        yield
    finally:
        for where, key, tensor in places:
            where[key] = tensor
