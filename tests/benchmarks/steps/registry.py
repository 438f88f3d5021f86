"""All workloads and all contenders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .parts import AdamAlone, TorchProducts, XLAProducts
from .workload import Step, UnavailableError, Workload
from .workloads.conv_vae import conv_vae
from .workloads.gan import gan, wgan_gp
from .workloads.hierarchical_vae import hierarchical_vae
from .workloads.iwae import iwae
from .workloads.vae import vae

__all__ = ["CONTENDERS", "PARTS", "REFERENCE", "WORKLOADS", "Contender", "make"]


@dataclass(frozen=True)
class Contender:
    """Who trains.

    Arguments:
        label: As tables show it.
        eager: The contender that need not be built and does the same; `None` if there is none.
        imports: What it uses, imported before its memory and time are counted.
    """

    label: str
    eager: str | None = None
    imports: str = "torch"


#: What every ratio is relative to.
REFERENCE = "hand"

#: In the order of the tables.
CONTENDERS = {
    REFERENCE: Contender("by hand, eager"),
    "hand-compiled": Contender("by hand, torch.compile", eager=REFERENCE),
    "hand-captured": Contender("by hand, CUDA graph", eager=REFERENCE),
    "pyro": Contender("Pyro, SVI"),
    "numpyro": Contender("NumPyro, jit", eager="pyro", imports="numpyro"),
    "dgmppl": Contender("dgmppl, eager"),
    "dgmppl-compiled": Contender("dgmppl, compiled", eager="dgmppl"),
}

#: Parts of a step, timed alone.
PARTS = {
    "products": Contender("products alone, PyTorch"),
    "products-xla": Contender("products alone, XLA", imports="numpyro"),
    "adam": Contender("Adam alone, PyTorch"),
}

WORKLOADS = {
    workload.name: workload
    for workload in (
        vae(batch=20),
        vae(batch=128),
        iwae(batch=20, K=50),
        conv_vae(batch=20),
        hierarchical_vae(batch=20),
        gan(batch=100),
        wgan_gp(batch=100),
    )
}


def make(workload: Workload, contender: str, x: np.ndarray) -> Step:
    """A contender's step from a batch to look at, or UnavailableError with the reason."""
    parts = {"products": TorchProducts, "products-xla": XLAProducts, "adam": AdamAlone}
    if contender in parts:
        return parts[contender](workload)
    if contender not in workload.makers:
        raise UnavailableError("this workload has no such step")
    try:
        return workload.makers[contender](x)
    except NotImplementedError as error:
        raise UnavailableError(str(error)) from error
