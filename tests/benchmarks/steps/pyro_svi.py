"""Pyro's SVI on the program's own model and guide, validation off."""

from __future__ import annotations

import pyro
import torch
from pyro.infer import ELBO, SVI
from torch import Tensor, nn

from .place import ON_GPU
from .torch_step import TorchStep

__all__ = ["pyro_svi"]


def pyro_svi(program: nn.Module, elbo: ELBO) -> TorchStep:
    """A step of SVI; it takes Pyro's global parameter store for itself."""
    pyro.clear_param_store()
    if ON_GPU:  # what Pyro's users do; a device as a context would cost time in every operation
        torch.set_default_tensor_type(torch.cuda.FloatTensor)

    def model(x: Tensor) -> None:
        pyro.module("program", program)
        program.model(x)

    adam = pyro.optim.Adam({"lr": 1e-3, "fused": True})
    inference = SVI(model, program.guide, adam, elbo)

    def step(x: Tensor) -> float:
        with pyro.validation_enabled(False):
            return -inference.step(x) / len(x)

    return TorchStep(program, step)
