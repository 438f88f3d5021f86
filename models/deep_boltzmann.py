"""Deep Boltzmann machine: layers of binary units, each of which sees the ones beside it.

        v ◀─▶ h1 ◀─▶ h2 ◀─▶ …    −E = Σ_l b_l·s_l + Σ_l (s_l − c_l)·W_l (s_{l+1} − c_{l+1})

Even and odd layers are drawn in turn, which is found from the energy. Learning may start from one
machine a layer: what a unit is to hear from above and below, it hears twice from the one side that
is there, so that a layer has copies; the program of such a machine is its energy again. Or each
layer is centred, c its mean at the start, and all are learned at once.

References:
    Deep Boltzmann Machines, Ruslan Salakhutdinov, Geoffrey Hinton, 2009.
    https://proceedings.mlr.press/v5/salakhutdinov09a.html Deep Boltzmann Machines and the Centering
    Trick, Grégoire Montavon, Klaus-Robert Müller, 2012.
    https://doi.org/10.1007/978-3-642-35289-8_33
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import pyro
import torch
from torch import Tensor, nn

import dgmppl
from dgmppl.data import as_data
from dgmppl.energy import Binary
from dgmppl.objectives import ContrastiveDivergence, VariationalMaximumLikelihood
from dgmppl.recipes import Recipe

__all__ = ["DeepBoltzmann", "TwoLayers", "centre", "pretrain", "recipes"]


class DeepBoltzmann(dgmppl.Program):
    """A chain of layers.

    Arguments:
        data_dim: Number of visible units.
        hidden: Numbers of hidden units, from below.
    """

    def __init__(self, data_dim: int = 784, hidden: tuple[int, ...] = (500, 1000)):
        super().__init__()
        sizes = (data_dim, *hidden)
        self.names = ["v", *(f"h{i + 1}" for i in range(len(hidden)))]
        self.layers = [Binary(size) for size in sizes]
        self.bias = nn.ParameterList(torch.zeros(size) for size in sizes)
        for i, size in enumerate(sizes):
            self.register_buffer(f"centre{i}", torch.zeros(size))
        self.weight = nn.ParameterList(0.01 * torch.randn(a, b) for a, b in pairwise(sizes))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """The energy of all layers; v, of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            s = [
                dgmppl.units(name, layer, obs=None if name != "v" else x)
                for name, layer in zip(self.names, self.layers, strict=True)
            ]
            own = [(value * bias).sum(-1) for value, bias in zip(s, self.bias, strict=True)]
            off = [value - self.get_buffer(f"centre{i}") for i, value in enumerate(s)]
            pairs = zip(off[:-1], self.weight, off[1:], strict=True)
            across = [((low @ weight) * high).sum(-1) for low, weight, high in pairs]
            pyro.factor("energy", torch.stack([*own, *across]).sum(0))
        return s[0]


class TwoLayers(dgmppl.Program):
    """Two neighbouring layers of a deep machine, one of them or both with a copy.

    Arguments:
        deep: The machine, whose parameters these are.
        below: The lower layer's number, 0 for the visible one.
    """

    def __init__(self, deep: DeepBoltzmann, below: int):
        super().__init__()
        self.a, self.b, self.W = deep.bias[below], deep.bias[below + 1], deep.weight[below]
        self.low, self.high = deep.layers[below], deep.layers[below + 1]
        self.low_copies = 2 if below < len(deep.layers) - 2 else 1  # more is to come from above
        self.high_copies = 2 if below > 0 else 1  # and from below

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """The energy of the two layers and their copies."""
        with dgmppl.data_plate(x, n):
            low = [dgmppl.units(f"v{i}", self.low, obs=x) for i in range(self.low_copies)]
            high = [dgmppl.units(f"h{i}", self.high) for i in range(self.high_copies)]
            v, h = torch.stack(low).sum(0), torch.stack(high).sum(0)
            pyro.factor("energy", v @ self.a + h @ self.b + ((v @ self.W) * h).sum(-1))
        return low[0]

    def up(self, x: Tensor) -> Tensor:
        """The upper layer's states given the lower one's and its copy's."""
        return torch.bernoulli((self.low_copies * x @ self.W + self.b).sigmoid())


def pretrain(
    program: DeepBoltzmann, data: Any, *, epochs: int = 20, rate: float = 0.05, **settings: Any
) -> None:
    """Learns the layers one after the other, each from the states of the one below.

    Arguments:
        program: The machine, whose parameters are moved.
        data: As for `fit`.
        epochs: For each layer.
        rate: Of gradient descent.
        settings: Of `fit`.
    """
    states = data
    for below in range(len(program.layers) - 1):
        machine = TwoLayers(program, below)
        optimizer = partial(torch.optim.SGD, lr=rate, momentum=0.5)
        own = {"epochs": epochs, "batch_size": 50, "optimizer": optimizer, "progress": False}
        dgmppl.fit(machine, states, ContrastiveDivergence(1), **{**own, **settings})
        with torch.no_grad():
            states = machine.up(as_data(states).draw())


@torch.no_grad()
def centre(program: DeepBoltzmann, data: Any, on: float = 0.25) -> None:
    """Centres every layer, and has it begin there: at the data's means, and at `on`."""
    for i, bias in enumerate(program.bias):
        bias.copy_(torch.tensor(on) if i else as_data(data).values.mean(0).clamp(0.01, 0.99))
        program.get_buffer(f"centre{i}").copy_(bias)
        bias.logit_()


def deep(about: str, hidden: tuple[int, ...], rate: float = 0.01, **settings: Any) -> Recipe:
    """The program on binarised digits."""
    return Recipe(
        program=partial(DeepBoltzmann, hidden=hidden),
        objective=VariationalMaximumLikelihood(),
        optimizer=partial(torch.optim.SGD, lr=rate, momentum=0.5),
        epochs=50,
        batch_size=50,
        about=about,
        **settings,
    )


recipes = {
    "dbm-2": deep("deep Boltzmann machine of two hidden layers", (100, 100)),
    "dbm-2-pretrained": deep(
        "the same from layers that were learned one by one", (100, 100), start=pretrain
    ),
    "dbm-2-centred": deep("the same with centred layers", (100, 100), 0.05, start=centre),
    "dbm-3": deep("deep Boltzmann machine of three hidden layers", (100, 100, 100), start=pretrain),
}
