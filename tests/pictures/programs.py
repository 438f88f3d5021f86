"""Small programs of every shape that the pictures have to cope with."""

from __future__ import annotations

from typing import Any

import pyro
import torch
from pyro.distributions import Bernoulli, LogNormal, Normal
from torch import Tensor, nn

import dgmppl

__all__ = ["Conditional", "Generator", "Ladder", "Linear", "crossing", "mixture", "regression"]


class Linear(dgmppl.Program):
    """x = Wz + b + noise, with q(z|x) = Normal(Vx, 1/2); both maps are known."""

    def __init__(self, weight: Tensor, back: Tensor):
        super().__init__()
        self.weight, self.back = nn.Parameter(weight), nn.Parameter(back)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.weight.shape[1]), 1.0).to_event(1))
            return pyro.sample("x", Normal(z @ self.weight.T, 0.1).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("z", Normal(x @ self.back.T, 0.5).to_event(1))


class Ladder(dgmppl.Program):
    """z2 → z1 → x, inferred from the bottom up."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z2 = pyro.sample("z2", Normal(torch.zeros(3), 1.0).to_event(1))
            z1 = pyro.sample("z1", Normal(2.0 * z2, self.scale).to_event(1))
            return pyro.sample("x", Normal(z1, 1.0).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            z1 = pyro.sample("z1", Normal(self.scale * x, 1.0).to_event(1))
            pyro.sample("z2", Normal(z1 / 2, 1.0).to_event(1))


class Conditional(dgmppl.Program):
    """A batch of pixels and labels; the labels only condition."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder, self.encoder = nn.Linear(4, 9), nn.Linear(11, 4)

    def model(self, x: Any = None, n: int = 1) -> Tensor:
        x = {"pixels": None, "label": torch.zeros(n, 2)} if x is None else x
        with dgmppl.data_plate(x["label"]):
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
            logits = self.decoder(torch.cat([z, x["label"]], -1))
            return pyro.sample("x", Bernoulli(logits=logits).to_event(1), obs=x["pixels"])

    def guide(self, x: Any) -> None:
        with dgmppl.data_plate(x["label"]):
            loc, log_scale = self.encoder(torch.cat([x["pixels"], x["label"]], -1)).chunk(2, -1)
            pyro.sample("z", Normal(loc, log_scale.exp()).to_event(1))


class Generator(dgmppl.Program):
    """Draws without a density, no guide."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(2, 5)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(2), 1.0).to_event(1))
            return dgmppl.implicit("x", self.net(z), obs=x)


def regression(x: Tensor) -> None:
    """Global latents, a deterministic site, a factor; covariates and response in one tensor."""
    weight = pyro.sample("weight", Normal(0.0, 1.0))
    noise = pyro.sample("noise", LogNormal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        mean = pyro.deterministic("mean", weight * x[:, 0], event_dim=0)
        pyro.sample("y", Normal(mean, noise), obs=x[:, 1])
    pyro.factor("penalty", -weight.abs())


def crossing(x: Tensor) -> None:
    """Two plates that share a site."""
    rows, columns = pyro.plate("data", x.shape[0], dim=-2), pyro.plate("items", x.shape[1], dim=-1)
    with rows:
        u = pyro.sample("u", Normal(0.0, 1.0))
    with columns:
        v = pyro.sample("v", Normal(0.0, 1.0))
    with rows, columns:
        pyro.sample("x", Normal(u * v, 1.0), obs=x)


def mixture(x: Tensor) -> None:
    """A latent class for each number."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", Bernoulli(0.5))
        pyro.sample("x", Normal(4.0 * z, 1.0), obs=x)
