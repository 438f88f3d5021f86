"""Networks in JAX over parameters named as in PyTorch, weights as XLA likes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import numpy as np

__all__ = ["dense", "doubling", "halving", "layout", "mlp"]

Parameters = Mapping[str, jax.Array]


def layout(parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Dense weights from `[outputs, inputs]` to `[inputs, outputs]`."""
    return {name: p.T.copy() if p.ndim == 2 else p for name, p in parameters.items()}


def dense(p: Parameters, name: str, x: jax.Array) -> jax.Array:
    """A linear layer."""
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def mlp(
    p: Parameters, name: str, x: jax.Array, activation: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """Two hidden layers."""
    for i in (0, 2):
        x = activation(dense(p, f"{name}.{i}", x))
    return dense(p, f"{name}.4", x)


def halving(x: jax.Array, weight: jax.Array) -> jax.Array:
    """A convolution, kernel 4, stride 2, padding 1: `[N H W I]`, `[4 4 I O]` → `[N H/2 W/2 O]`."""
    return jax.lax.conv_general_dilated(
        x, weight, (2, 2), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def doubling(x: jax.Array, weight: jax.Array) -> jax.Array:
    """The transposed convolution: `[N H W I]`, `[4 4 I O]` → `[N 2H 2W O]`."""
    return jax.lax.conv_transpose(
        x, weight, (2, 2), ((2, 2), (2, 2)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
