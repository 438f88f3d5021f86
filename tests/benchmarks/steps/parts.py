"""Parts of a step and nothing else: the time below which no step of these kernels can go."""

from __future__ import annotations

from itertools import compress
from typing import Any

import numpy as np
import torch

from .numpyro_jit import need_numpyro
from .torch_step import adam
from .workload import Arrays, Workload

__all__ = ["AdamAlone", "TorchProducts", "XLAProducts"]


class Part:
    """A step that looks at no batch and learns nothing."""

    def load(self, parameters: Arrays) -> None:
        """Its numbers are its own."""

    def convert(self, batch: np.ndarray) -> np.ndarray:
        """The batch as it is."""
        return batch


class TorchProducts(Part):
    """The products in PyTorch, into memory that is there already."""

    def __init__(self, workload: Workload):
        self.calls = [call for layer in workload.layers for call in layer.calls()]

    @torch.no_grad()
    def __call__(self, x: Any) -> float:
        """All products once."""
        for call in self.calls:
            call()
        return 0.0


class AdamAlone(Part):
    """The optimizer's step of PyTorch, gradients given."""

    def __init__(self, workload: Workload):
        parameters = [*workload.program().parameters()]
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        self.optimizer = adam(parameters)

    def __call__(self, x: Any) -> float:
        """One update."""
        self.optimizer.step()
        return 0.0


class XLAProducts(Part):
    """The products in one function compiled by XLA."""

    def __init__(self, workload: Workload):
        layers = workload.layers
        need_numpyro("networks")  # which imports JAX
        import jax

        key = jax.random.PRNGKey(0)
        pairs = [[jax.random.normal(key, shape) for shape in layer.arrays()] for layer in layers]
        outputs = [layer.in_jax(*pair) for layer, pair in zip(layers, pairs, strict=True)]

        def products(pairs: Any, outputs: Any) -> list[Any]:
            results = []
            for layer, pair, output in zip(layers, pairs, outputs, strict=True):
                value, pull = jax.vjp(layer.in_jax, *pair)
                gradients = pull(output)
                kept = layer.input_gradient, layer.weight_gradient
                results += [value, *compress(gradients, kept)]
            return results

        self.wait, self.arrays = jax.block_until_ready, (pairs, outputs)
        self.run = jax.jit(products)

    def __call__(self, x: Any) -> float:
        """All products once."""
        self.wait(self.run(*self.arrays))
        return 0.0
