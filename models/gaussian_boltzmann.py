"""Restricted Boltzmann machine of real numbers: visible units are Gaussian given the hidden ones.

        v ◀─▶ h          −E(v, h) = −½ ((v − a) / σ)² + b·h + (v / σ)·W h

On whitened patches of photographs, with hidden units that are seldom on, its filters are edges.

References:
    Reducing the Dimensionality of Data with Neural Networks, Geoffrey Hinton, Ruslan Salakhutdinov,
    2006. https://doi.org/10.1126/science.1127647 Gaussian-Binary Restricted Boltzmann Machines for
    Modeling Natural Image Statistics, Jan Melchior, Nan Wang, Laurenz Wiskott, 2017.
    https://doi.org/10.1371/journal.pone.0171015
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR

import dgmppl
from dgmppl.data import load
from dgmppl.energy import Gaussian
from dgmppl.models.restricted_boltzmann import RBM, rbm

__all__ = ["GaussianRBM", "recipes"]


class GaussianRBM(RBM):
    """Real visible units and binary hidden ones.

    Arguments:
        data_dim: Number of visible units.
        hidden: Number of hidden units.
        bias: Where b begins: far below 0 units are seldom on, and each stands for something rare.
        learned: Whether σ is learned, rather than 1.
    """

    def __init__(
        self, data_dim: int = 784, hidden: int = 500, bias: float = 0.0, learned: bool = True
    ):
        super().__init__(data_dim, hidden)
        nn.init.constant_(self.b, bias)
        self.gaussian = Gaussian(data_dim)
        self.log_sigma = (nn.Parameter if learned else nn.Buffer)(torch.zeros(data_dim))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """The energy of v and h; v, of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            v = dgmppl.units("v", self.gaussian, obs=x)
            h = dgmppl.units("h", self.hidden)
            spread = (-self.log_sigma).exp()
            own = -0.5 * ((v - self.a) * spread).square().sum(-1)
            pyro.factor("energy", own + h @ self.b + (((v * spread) @ self.W) * h).sum(-1))
        return v


recipes = {
    "gaussian-rbm": rbm(
        "restricted Boltzmann machine of grey digits",
        program=GaussianRBM,
        rate=0.002,
        data=partial(load, name="digits"),
    ),
    "patches-rbm": rbm(
        "restricted Boltzmann machine of patches of photographs: edges",
        program=partial(GaussianRBM, bias=-4.0, learned=False),
        rate=0.1,
        data=partial(load, name="patches", n=40_000),
        schedule=partial(LinearLR, start_factor=1.0, end_factor=0.05, total_iters=100),
        epochs=100,
        batch_size=100,
    ),
}
