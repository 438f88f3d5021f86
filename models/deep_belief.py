"""Deep belief net: a restricted Boltzmann machine whose draws are the causes of directed layers.

        h2 ◀─▶ h1 ──▶ x        p(h1, h2) ∝ exp(−E), −E = a·h1 + b·h2 + h1·W h2
                ▲─ ─ ─┘        p(x|h1) and q(h1|x) Bernoulli(σ(linear)); more layers likewise

Layers are learned one after the other: the machine on top is undone into a directed layer and a new
machine for what that layer receives, which can only raise the bound. Then all are tuned together.

References:
    A Fast Learning Algorithm for Deep Belief Nets, Geoffrey Hinton, Simon Osindero, Yee-Whye Teh,
    2006. https://doi.org/10.1162/neco.2006.18.7.1527
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import pyro
import torch
from pyro.distributions import Bernoulli
from torch import Tensor, nn

import dgmppl
from dgmppl.data import as_data
from dgmppl.energy import Binary
from dgmppl.models.restricted_boltzmann import RBM
from dgmppl.objectives import ContrastiveDivergence, UpDown
from dgmppl.recipes import DIGITS, Recipe

__all__ = ["DeepBelief", "pretrain", "recipes", "undo"]


class DeepBelief(dgmppl.Program):
    """Layers of binary units.

    Arguments:
        data_dim: Number of pixels.
        hidden: Numbers of hidden units, from below; the last two are the machine's.
    """

    def __init__(self, data_dim: int = 784, hidden: tuple[int, ...] = (500, 500)):
        super().__init__()
        *directed, top = (data_dim, *hidden)
        pairs = list(itertools.pairwise(directed))
        self.down = nn.ModuleList(nn.Linear(high, low) for low, high in pairs)
        self.up = nn.ModuleList(nn.Linear(low, high) for low, high in pairs)
        self.low, self.high = Binary(directed[-1]), Binary(top)
        self.a, self.b = nn.Parameter(torch.zeros(directed[-1])), nn.Parameter(torch.zeros(top))
        self.W = nn.Parameter(0.01 * torch.randn(directed[-1], top))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """The energy of the two top layers, and what they cause; x, `[B, data_dim]`."""
        last = len(self.down)
        with dgmppl.data_plate(x, n):
            h = dgmppl.units(f"h{last}", self.low)
            top = dgmppl.units(f"h{last + 1}", self.high)
            pyro.factor("energy", h @ self.a + top @ self.b + ((h @ self.W) * top).sum(-1))
            for i in reversed(range(1, last)):
                h = pyro.sample(f"h{i}", Bernoulli(logits=self.down[i](h)).to_event(1))
            return pyro.sample("x", Bernoulli(logits=self.down[0](h)).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        """q(h1|x) q(h2|h1) … up to the machine's lower layer."""
        with dgmppl.data_plate(x):
            for i, up in enumerate(self.up):
                x = pyro.sample(f"h{i + 1}", Bernoulli(logits=up(x)).to_event(1))


@torch.no_grad()
def undo(machine: RBM, down: nn.Linear, up: nn.Linear) -> None:
    """Writes a machine's two conditionals into a directed layer and its recognition."""
    down.weight.copy_(machine.W), down.bias.copy_(machine.a)
    up.weight.copy_(machine.W.T), up.bias.copy_(machine.b)


def pretrain(
    program: DeepBelief, data: Any, *, epochs: int = 20, rate: float = 0.05, **settings: Any
) -> None:
    """Learns a machine for each directed layer, from the states of the one below.

    A top machine of the last one's shape turned over begins as its equal, so that the net's density
    is the machine's.

    Arguments:
        program: The net, whose parameters are moved.
        data: As for `fit`.
        epochs: For each machine.
        rate: Of gradient descent.
        settings: Of `fit`.
    """
    states = data
    optimizer = partial(torch.optim.SGD, lr=rate, momentum=0.5)
    own = {"epochs": epochs, "batch_size": 50, "optimizer": optimizer, "progress": False}
    for down, up in zip(program.down, program.up, strict=True):
        machine = RBM(up.in_features, up.out_features).to(program.W)
        dgmppl.fit(machine, states, ContrastiveDivergence(1), **{**own, **settings})
        undo(machine, down, up)
        with torch.no_grad():
            states = torch.bernoulli(up(as_data(states).draw()).sigmoid())
    if program.W.shape == program.down[-1].weight.T.shape:  # go on where the bound is as before
        with torch.no_grad():
            program.W.copy_(program.down[-1].weight.T)
            program.a.copy_(program.up[-1].bias), program.b.copy_(program.down[-1].bias)


recipes = {
    "deep-belief": Recipe(
        program=partial(DeepBelief, hidden=(100, 64)),
        objective=UpDown(5),
        data=DIGITS,
        optimizer=partial(torch.optim.SGD, lr=0.01, momentum=0.5),
        epochs=60,
        batch_size=50,
        start=pretrain,
        about="deep belief net: learned layer by layer, then tuned by wake and sleep",
    ),
}
