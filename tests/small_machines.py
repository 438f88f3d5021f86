"""Machines of at most 16 units, of every kind, whose distribution can be listed."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pyro
import torch
from torch import Tensor, nn

import dgmppl
from dgmppl.energy import Binary, Categorical, Counts, Gaussian, Machine, Spins, machine_of


def weights(*shape: int, scale: float = 0.7) -> nn.Parameter:
    return nn.Parameter(scale * torch.randn(*shape, dtype=torch.float64))


class Chain(dgmppl.Program):
    """Layers in a row: a restricted Boltzmann machine of two, a deep one of more."""

    def __init__(self, *layers: Any) -> None:
        super().__init__()
        self.layers = layers
        self.names = ("v", *(f"h{i}" for i in range(1, len(layers))))
        flat = [math.prod(layer.event_shape) for layer in layers]
        self.bias = nn.ParameterList([weights(size) for size in flat])
        pairs = itertools.pairwise(flat)
        self.weight = nn.ParameterList([weights(a, b) for a, b in pairs])
        self.log_precision = weights(flat[0], scale=0.3)

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            states = []
            for name, layer in zip(self.names, self.layers, strict=True):
                states.append(dgmppl.units(name, layer, obs=x if name == "v" else None))
            flat = [
                s.flatten(-layer.event_dim) for s, layer in zip(states, self.layers, strict=True)
            ]
            total = sum((s * b).sum(-1) for s, b in zip(flat, self.bias, strict=True))
            for low, weight, high in zip(flat[:-1], self.weight, flat[1:], strict=True):
                total = total + ((low @ weight) * high).sum(-1)
            if isinstance(self.layers[0], Gaussian):
                total = total - 0.5 * (flat[0].square() * self.log_precision.exp()).sum(-1)
            pyro.factor("energy", total)


class Gated(dgmppl.Program):
    """Third order: every pair of the three layers interacts."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.names = (Binary(3), Binary(2), Spins(2)), ("v", "h1", "h2")
        self.weight = weights(3, 2, 2)

    def model(self, x: Tensor | None = None, n: int = 1) -> None:
        with dgmppl.data_plate(x, n):
            v = dgmppl.units("v", self.layers[0], obs=x)
            h = dgmppl.units("h1", self.layers[1])
            g = dgmppl.units("h2", self.layers[2])
            pyro.factor("energy", torch.einsum("...i,...j,...k,ijk->...", v, h, g, self.weight))


MACHINES = {
    "binary": lambda: Chain(Binary(5), Binary(4)),
    "spins": lambda: Chain(Spins(4), Binary(3)),
    "categorical": lambda: Chain(Categorical(2, classes=3), Spins(3)),
    "deep": lambda: Chain(Binary(3), Binary(3), Binary(2), Spins(2)),
    "gated": Gated,
    "gaussian": lambda: Chain(Gaussian(2), Binary(4)),
    "counts": lambda: Chain(Counts(3, longest=4), Binary(3)),
}


def made(name: str, seed: int = 0) -> tuple[Any, Machine]:
    """A machine in double precision with a batch of its visible layer."""
    torch.manual_seed(seed)
    program = MACHINES[name]()
    x = program.layers[0].base_measure().sample((6,)).double()
    return program, machine_of(program, x)


def documents(size: int, length: int) -> tuple[Tensor, Tensor]:
    """All counts of a length, and the logarithms of their multinomial coefficients."""
    ticks = torch.cartesian_prod(*[torch.arange(length + 1)] * size).double()
    counts = ticks[ticks.sum(-1) == length]
    ways = math.lgamma(length + 1) - (counts + 1).lgamma().sum(-1)
    return counts, ways


def states_of(layer: Any) -> tuple[Tensor, Tensor]:
    """All states of a layer and the logarithms of their base measure."""
    if isinstance(layer, Counts):
        return documents(layer.size, layer.longest)
    states = layer.states(torch.arange(int(layer.number()))).double()
    return states, torch.zeros(len(states), dtype=torch.float64)


def joint(program: Any, machine: Machine) -> tuple[dict[str, Tensor], Tensor]:
    """Every joint state and its log-weight, by the program's own factor."""
    each = [states_of(layer) for layer in program.layers]
    ranks = torch.cartesian_prod(*[torch.arange(len(states)) for states, _ in each])
    states = {n: each[i][0][ranks[:, i]] for i, n in enumerate(program.names)}
    base = sum(each[i][1][ranks[:, i]] for i in range(len(each)))
    with torch.no_grad():
        return states, machine.log_factor(states) + base


def hidden_of_gaussian(program: Any, machine: Machine) -> tuple[Tensor, Tensor]:
    """The four hidden units' states `[16, 4]` and probabilities, the Gaussian ones integrated."""
    hidden = states_of(program.layers[1])[0]
    with torch.no_grad():
        empty = {"v": torch.zeros(16, 2, dtype=torch.float64), "h1": hidden}
        return hidden, machine.marginal(empty, ["v"]).softmax(0)


def hidden_chi_square(states: Tensor, p: Tensor) -> float:
    """χ² of states of four binary units, from the probabilities of all 16."""
    counts = (states @ torch.tensor([1.0, 2, 4, 8]).double()).long().bincount(minlength=16)
    expected = len(states) * p
    return float(((counts - expected).square() / expected).sum())
