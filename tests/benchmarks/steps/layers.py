"""Layers as the matrix products that a training step makes of them, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import torch

__all__ = ["Convolution", "Dense", "Layer", "mlp_layers"]

Call = Callable[[], object]


class Layer(Protocol):
    """A bilinear map of inputs and weights."""

    input_gradient: bool
    weight_gradient: bool

    @property
    def flops(self) -> int:
        """Operations of a step: forward, weights' gradient and, where needed, inputs' gradient."""

    def calls(self) -> list[Call]:
        """The same products in PyTorch, on random numbers."""

    def arrays(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of inputs and weights in XLA's favourite layout."""

    def in_jax(self, x: Any, weights: Any) -> Any:
        """The forward product in JAX."""


@dataclass(frozen=True)
class Dense:
    """`[rows, inputs] @ [inputs, outputs]`.

    Arguments:
        rows: Of the batch, particles included.
        inputs: Features in.
        outputs: Features out.
        input_gradient: Whether the backward pass goes on to the inputs.
        weight_gradient: Whether it gives the weights a gradient.
    """

    rows: int
    inputs: int
    outputs: int
    input_gradient: bool = True
    weight_gradient: bool = True

    @property
    def flops(self) -> int:
        """Two operations a multiplication, of one to three products."""
        products = 1 + self.weight_gradient + self.input_gradient
        return 2 * self.rows * self.inputs * self.outputs * products

    def calls(self) -> list[Call]:
        """As `torch.nn.Linear` and its backward pass call them."""
        x, y = torch.randn(self.rows, self.inputs), torch.randn(self.rows, self.outputs)
        weight, out = torch.randn(self.outputs, self.inputs), torch.empty(self.rows, self.outputs)
        to_weight, to_x = torch.empty_like(weight), torch.empty_like(x)
        calls: list[Call] = [lambda: torch.mm(x, weight.t(), out=out)]
        if self.weight_gradient:
            calls.append(lambda: torch.mm(y.t(), x, out=to_weight))
        if self.input_gradient:
            calls.append(lambda: torch.mm(y, weight, out=to_x))
        return calls

    def arrays(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Weights as `[inputs, outputs]`."""
        return (self.rows, self.inputs), (self.inputs, self.outputs)

    def in_jax(self, x: Any, weights: Any) -> Any:
        """A matrix product."""
        return x @ weights


@dataclass(frozen=True)
class Convolution:
    """A convolution of square pictures that halves them, or a transposed one that doubles them.

    Kernels are 4 × 4, the stride is 2 and the padding 1.

    Arguments:
        batch: Pictures.
        inputs: Channels in.
        outputs: Channels out.
        size: Height and width of the inputs.
        transposed: Whether it doubles.
        input_gradient: Whether the backward pass goes on to the inputs.
    """

    batch: int
    inputs: int
    outputs: int
    size: int
    transposed: bool = False
    input_gradient: bool = True
    weight_gradient: bool = True

    @property
    def flops(self) -> int:
        """Every position of the smaller picture meets the whole kernel."""
        positions = self.batch * (self.size if self.transposed else self.size // 2) ** 2
        return 2 * positions * self.inputs * self.outputs * 16 * (2 + self.input_gradient)

    def calls(self) -> list[Call]:
        """Forward, and the one call of the backward pass."""
        x = torch.randn(self.batch, self.inputs, self.size, self.size)
        channels = (self.inputs, self.outputs) if self.transposed else (self.outputs, self.inputs)
        weight = torch.randn(*channels, 4, 4)
        settings = ((2, 2), (1, 1), (1, 1), self.transposed, (0, 0), 1)
        aten = torch.ops.aten
        y = torch.randn_like(aten.convolution(x, weight, None, *settings))
        mask = (self.input_gradient, True, False)
        return [
            lambda: aten.convolution(x, weight, None, *settings),
            lambda: aten.convolution_backward(y, x, weight, None, *settings, mask),
        ]

    def arrays(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Channels last."""
        return (self.batch, self.size, self.size, self.inputs), (4, 4, self.inputs, self.outputs)

    def in_jax(self, x: Any, weights: Any) -> Any:
        """One convolution."""
        from .in_numpyro.networks import doubling, halving

        return (doubling if self.transposed else halving)(x, weights)


def mlp_layers(
    rows: int, *sizes: int, input_gradient: bool = True, gradients: bool = True
) -> tuple[Dense, ...]:
    """The layers of a perceptron, without `gradients` forward only.

    Example:
        >>> sum(layer.flops for layer in mlp_layers(1, 3, 5, 2, input_gradient=False))
        120
    """
    return tuple(
        Dense(rows, a, b, gradients and (input_gradient or i > 0), gradients)
        for i, (a, b) in enumerate(pairwise(sizes))
    )
