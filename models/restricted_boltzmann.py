"""Restricted Boltzmann machine: visible and hidden units, and an energy of pairs across.

        v ◀─▶ h          −E(v, h) = a·v + b·h + v·W h
                         p(v, h) ∝ exp(−E)

The program says the energy and no more; conditionals, sampler and log Z are derived from it.

References:
    Information Processing in Dynamical Systems: Foundations of Harmony Theory, Paul Smolensky,
    1986. Training Products of Experts by Minimizing Contrastive Divergence, Geoffrey Hinton, 2002.
    https://doi.org/10.1162/089976602760128018 Classification using Discriminative Restricted
    Boltzmann Machines, Hugo Larochelle, Yoshua Bengio, 2008. https://doi.org/10.1145/1390156.1390224
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pyro
import torch
from torch import Tensor, nn

import dgmppl
from dgmppl.data import SomeLabels, TensorData
from dgmppl.energy import Binary, Categorical
from dgmppl.objectives import ContrastiveDivergence, PersistentContrastiveDivergence
from dgmppl.recipes import DIGITS, Recipe

__all__ = ["RBM", "LabelRBM", "rbm", "recipes"]


class RBM(dgmppl.Program):
    """Binary units on both sides.

    Arguments:
        data_dim: Number of visible units.
        hidden: Number of hidden units.
    """

    def __init__(self, data_dim: int = 784, hidden: int = 500):
        super().__init__()
        self.visible, self.hidden = Binary(data_dim), Binary(hidden)
        self.a, self.b = nn.Parameter(torch.zeros(data_dim)), nn.Parameter(torch.zeros(hidden))
        self.W = nn.Parameter(0.01 * torch.randn(data_dim, hidden))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """The energy of v and h; v, of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            v = dgmppl.units("v", self.visible, obs=x)
            h = dgmppl.units("h", self.hidden)
            pyro.factor("energy", v @ self.a + h @ self.b + ((v @ self.W) * h).sum(-1))
        return v


class LabelRBM(RBM):
    """Pictures and labels, both visible."""

    def __init__(self, data_dim: int = 784, hidden: int = 500, classes: int = 10):
        super().__init__(data_dim, hidden)
        self.labels = Categorical(1, classes)
        self.c = nn.Parameter(torch.zeros(classes))
        self.U = nn.Parameter(0.01 * torch.randn(classes, hidden))

    def model(self, x: Any = None, n: int = 1) -> dict[str, Tensor]:
        """The energy of v, y and h; pictures "x" and labels "y" `[B]`."""
        v, y = (None, None) if x is None else (x["x"], self.rows(x["y"]))
        with dgmppl.data_plate(x, n):
            v = dgmppl.units("v", self.visible, obs=v)
            y = dgmppl.units("y", self.labels, obs=y).squeeze(-2)
            h = dgmppl.units("h", self.hidden)
            into = self.b + v @ self.W + y @ self.U
            pyro.factor("energy", v @ self.a + y @ self.c + (into * h).sum(-1))
        return {"x": v, "y": y.argmax(-1)}

    def rows(self, y: Tensor) -> Tensor:
        """Labels as one-hot rows, `[B] → [B, 1, classes]`."""
        return (y[:, None, None] == torch.arange(self.labels.classes)).to(self.W)


CD1 = ContrastiveDivergence(1)


def labelled(split: str = "train") -> TensorData:
    """Binarised digits as "x" and their labels as "y"."""
    return SomeLabels(None)(DIGITS(split=split))


def rbm(
    about: str,
    objective: Any = CD1,
    program: Any = RBM,
    rate: float = 0.05,
    data: Any = DIGITS,
    **settings: Any,
) -> Recipe:
    """A program with a hundred hidden units, on digits unless told."""
    return Recipe(
        program=partial(program, hidden=100),
        objective=objective,
        data=data,
        optimizer=partial(torch.optim.SGD, lr=rate, momentum=0.5),
        about=about,
        **{"epochs": 50, "batch_size": 50, **settings},
    )


recipes = {
    "rbm-cd1": rbm("restricted Boltzmann machine by CD-1"),
    "rbm-cd25": rbm("restricted Boltzmann machine by CD-25", ContrastiveDivergence(25)),
    "rbm-pcd": rbm(
        "restricted Boltzmann machine by persistent chains", PersistentContrastiveDivergence()
    ),
    "label-rbm": rbm(
        "restricted Boltzmann machine of digits and their labels", program=LabelRBM, data=labelled
    ),
}
