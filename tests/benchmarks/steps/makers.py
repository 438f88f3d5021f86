"""The contenders of a workload that maximises one bound."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from pyro.infer import ELBO
from torch import nn

from dgmppl.objectives.objective import Objective

from .by_hand import BoundLoss, by_hand, by_hand_captured, by_hand_compiled
from .numpyro_jit import NumPyroStep, need_numpyro
from .ours import step
from .place import DEVICE
from .pyro_svi import pyro_svi
from .torch_step import TorchStep, need_compiler
from .workload import Step

__all__ = ["Makers", "bound_makers"]

Makers = dict[str, Callable[[np.ndarray], Step]]


def bound_makers(
    program: Callable[[], nn.Module],
    *,
    loss: BoundLoss,
    objective: Objective,
    pyro_elbo: Callable[[], ELBO],
    numpyro: tuple[str, Callable[[Any], Any]],
) -> Makers:
    """Contender → what makes its step from a batch to look at.

    Arguments:
        program: Makes the program.
        loss: Minus its bound by hand.
        objective: The bound in dgmppl.
        pyro_elbo: Makes the bound in Pyro.
        numpyro: Name of a module of `in_numpyro` with `model`, `guide` and `layout`; and what makes
            the bound of `numpyro.infer`.
    """

    def fresh() -> nn.Module:
        return program().to(DEVICE)

    def ours(x: np.ndarray, *, compile: Any) -> Step:
        mine, batch = fresh(), torch.from_numpy(x).to(DEVICE)
        return TorchStep(mine, step(mine, objective, batch, compile=compile))

    def compiled(x: np.ndarray) -> Step:
        need_compiler()
        return ours(x, compile=True)

    def in_numpyro(x: np.ndarray) -> Step:
        module, bound = need_numpyro(numpyro[0]), numpyro[1]
        from numpyro import infer

        return NumPyroStep(module.model, module.guide, bound(infer), module.layout)

    return {
        "hand": lambda x: by_hand(fresh(), loss),
        "hand-compiled": lambda x: by_hand_compiled(fresh(), loss),
        "hand-captured": lambda x: by_hand_captured(fresh(), loss),
        "pyro": lambda x: pyro_svi(fresh(), pyro_elbo()),
        "numpyro": in_numpyro,
        "dgmppl": partial(ours, compile=False),
        "dgmppl-compiled": compiled,
    }
