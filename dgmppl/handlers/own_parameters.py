"""Parameters that a Pyro program declares, kept in a module instead of the global store."""

from __future__ import annotations

from typing import Any

import pyro
import torch
from pyro.distributions import constraints
from pyro.poutine.messenger import Messenger
from torch import nn
from torch.distributions import transform_to

__all__ = ["OwnParameters"]

_EMPTY = nn.ParameterDict()


class OwnParameters(Messenger):
    """Answers `pyro.param` and `pyro.module` without the global store.

    What `pyro.module` announces is used as it is: it already lives in a module. What `pyro.param`
    declares is kept here, unconstrained, as an optimizer needs it.

    Arguments:
        store: Where the parameters live.
        declaring: Whether new ones may still be added. Once an optimizer holds the parameters a new
            one would never learn, so it is an error.
    """

    def __init__(self, store: nn.ParameterDict, declaring: bool = True):
        super().__init__()
        self.store, self.declaring = store, declaring

    def _pyro_param(self, msg: Any) -> None:
        if msg["fn"] != pyro.get_param_store().get_param:
            return  # a PyroModule keeps its own
        name, init = msg["name"], msg["args"][1] if len(msg["args"]) > 1 else None
        announced = isinstance(init, torch.Tensor) and "$$$" in name
        msg["value"] = init if announced else self._lookup(name, init, msg["kwargs"]["constraint"])
        msg["done"], msg["fn"] = True, None  # answered: the store's function must not run

    def _lookup(self, name: str, init: Any, support: constraints.Constraint) -> torch.Tensor:
        key = name.replace(".", "/")
        key = f"{key}_" if hasattr(_EMPTY, key) else key  # a dict's own names, such as "values"
        if key not in self.store:
            self._refuse_unknown(name, init)
            with torch.no_grad():
                value = torch.as_tensor(init() if callable(init) else init)
                self.store[key] = nn.Parameter(transform_to(support).inv(value).clone())
        free = self.store[key]
        value = transform_to(support)(free)
        value = value.view_as(value) if value is free else value
        value._pyro_unconstrained_param = free  # what a plate asks for when it takes rows
        return value

    def _refuse_unknown(self, name: str, init: Any) -> None:
        if init is None:
            raise ValueError(
                f"Expected pyro.param('{name}') to be declared with a value before it is read "
                f"without one; declared so far: {sorted(self.store)}."
            )
        if not self.declaring:
            raise ValueError(
                f"Parameter '{name}' was declared after learning began, so no optimizer holds it. "
                "Try declaring every parameter on each run of the model and the guide."
            )
