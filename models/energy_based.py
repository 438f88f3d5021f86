"""A density by a network: the energy is what it says of a point.

        x ──▶ −E(x) = network(x) − ½ ‖x / s‖²        p(x) ∝ exp(−E(x))

The second term keeps the density finite far away. Draws are by Langevin moves; one program learns
by persistent chains, by score matching, or by noise-contrastive estimation.

References:
    A Tutorial on Energy-Based Learning, Yann LeCun et al., 2006. Implicit Generation and Modeling
    with Energy-Based Models, Yilun Du, Igor Mordatch, 2019. https://arxiv.org/abs/1903.08689
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pyro
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR

import dgmppl
from dgmppl.data import Dequantisation, load
from dgmppl.energy import Langevin, Real
from dgmppl.objectives import NoiseContrastive, PersistentContrastiveDivergence, ScoreMatching
from dgmppl.recipes import Recipe

__all__ = ["NetworkEnergy", "recipes"]


class NetworkEnergy(dgmppl.Program):
    """Points in the plane, or small pictures.

    Arguments:
        data_dim: Size of a datum.
        hidden_features: Width of the two hidden layers.
        scale: s, how far away density ends.
    """

    def __init__(self, data_dim: int = 2, hidden_features: int = 128, scale: float = 4.0):
        super().__init__()
        self.units, self.scale = Real(data_dim), scale
        self.network = nn.Sequential(
            nn.Linear(data_dim, hidden_features),
            nn.SiLU(),
            nn.Linear(hidden_features, hidden_features),
            nn.SiLU(),
            nn.Linear(hidden_features, 1, bias=False),
        )

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """The energy of x, `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            x = dgmppl.units("x", self.units, obs=x)
            far = 0.5 * (x / self.scale).square().sum(-1)
            pyro.factor("energy", self.network(x).squeeze(-1) - far)
        return x


def energy(about: str, objective: Any, **settings: Any) -> Recipe:
    """The program on points in the plane, by some objective."""
    own = {
        "program": NetworkEnergy,
        "data": partial(load, name="moons"),
        "optimizer": partial(torch.optim.Adam, lr=1e-3),
        "epochs": 50,
        "batch_size": 200,
    }
    return Recipe(objective=objective, about=about, **{**own, **settings})


CHAINS = PersistentContrastiveDivergence(10, 200, Langevin(0.2), restart=0.02)

recipes = {
    "energy-pcd": energy("a network's energy of two moons, by persistent Langevin chains", CHAINS),
    "energy-score": energy("the same by denoising score matching", ScoreMatching(noise=0.2)),
    "energy-digits": energy(
        "a network's energy of digits, by persistent Langevin chains",
        PersistentContrastiveDivergence(20, 200, Langevin(), restart=0.02),
        program=partial(NetworkEnergy, hidden_features=256, scale=1.0),
        data=partial(load, name="digits", pixels=Dequantisation(17)),
        optimizer=partial(torch.optim.Adam, lr=5e-4),
        schedule=partial(LinearLR, start_factor=1.0, end_factor=0.05, total_iters=150),
        epochs=150,
        batch_size=100,
    ),
    "energy-nce": energy("the same by noise-contrastive estimation", NoiseContrastive(ratio=2)),
}
