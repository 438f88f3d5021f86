"""Where modules keep their parameters and buffers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

__all__ = ["Slot", "slots"]

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
