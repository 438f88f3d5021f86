"""Planar flow: noise that is bent along planes until it has a density that only its energy says.

        z ──▶ x          p(z) = N(0, I)      x = f_L ∘ … ∘ f_1 (z)      f(x) = x + û tanh(wᵀx + b)

It learns from no data but from a potential U: KL(p ‖ exp(−U) / Z) is least at the student's own
draws (distillation, with the potential for a teacher). There are four in the paper.

References:
    Variational Inference with Normalizing Flows, Danilo Rezende and Shakir Mohamed, 2015, table 1.
    https://arxiv.org/abs/1505.05770
"""

from __future__ import annotations

import math
from functools import partial

import pyro
import torch
from pyro.distributions import ImproperUniform, Normal, TransformedDistribution
from torch import Tensor, nn
from torch.distributions import constraints

import dgmppl
from dgmppl.data import load
from dgmppl.guides.invertible_planar import InvertiblePlanar
from dgmppl.objectives import Distillation
from dgmppl.recipes import Recipe

__all__ = ["PlanarFlow", "Potential", "recipes"]


def potential(number: int, x: Tensor) -> Tensor:
    """U(x) of the paper's four examples, `[*batch 2] → [*batch]`."""
    a, b = x.unbind(-1)
    wave = (2 * math.pi * a / 4).sin()
    if number == 1:
        sides = torch.stack([-0.5 * ((a - 2) / 0.6) ** 2, -0.5 * ((a + 2) / 0.6) ** 2])
        return 0.5 * ((x.norm(dim=-1) - 2) / 0.4) ** 2 - sides.logsumexp(0)
    here = -0.5 * ((b - wave) / 0.4) ** 2
    if number == 2:
        return -here
    here = -0.5 * ((b - wave) / 0.35) ** 2
    if number == 3:
        other = 3 * (-0.5 * ((a - 1) / 0.6) ** 2).exp()
    else:
        here = -0.5 * ((b - wave) / 0.4) ** 2
        other = 3 * ((a - 1) / 0.3).sigmoid()
    there = -0.5 * ((b - wave + other) / 0.35) ** 2
    return -torch.stack([here, there]).logsumexp(0)


class Potential(dgmppl.Program):
    """exp(−U), and nothing far outside of the paper's window.

    Arguments:
        number: Which U, 1 to 4.
    """

    def __init__(self, number: int):
        super().__init__()
        self.number = number

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """The potential, and a wall from |x| = 4 on."""
        with dgmppl.data_plate(x, n):
            everywhere = ImproperUniform(constraints.real_vector, torch.Size(), torch.Size([2]))
            x = pyro.sample("x", everywhere, obs=x)
            wall = 10 * (x.abs() - 4).clamp(min=0).square().sum(-1)
            pyro.factor("potential", -potential(self.number, x) - wall)
        return x


class PlanarFlow(dgmppl.Program):
    """Real vectors.

    Arguments:
        depth: How many maps.
        data_dim: D, 2 for the potentials.

    Example:
        >>> PlanarFlow(depth=4).model(n=5).shape
        torch.Size([5, 2])
    """

    def __init__(self, depth: int = 32, data_dim: int = 2):
        super().__init__()
        self.u = nn.Parameter(0.3 * torch.randn(depth, data_dim))
        self.w = nn.Parameter(torch.randn(depth, data_dim))
        self.b = nn.Parameter(torch.randn(depth))
        self.loc = nn.Parameter(torch.zeros(data_dim))
        self.log_scale = nn.Parameter(torch.zeros(data_dim))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x), x of shape `[B, 2]`."""
        noise = Normal(self.loc, self.log_scale.exp()).to_event(1)
        bent = TransformedDistribution(noise, InvertiblePlanar(self.u, self.w, self.b))
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", bent, obs=x)


recipes = {
    f"planar-flow-{number}": Recipe(
        program=PlanarFlow,
        objective=Distillation(Potential(number)),
        data=partial(load, name="moons"),  # their number is all that counts
        optimizer=partial(torch.optim.Adam, lr=5e-3),
        epochs=100,
        batch_size=500,
        about=f"planar maps on potential {number} of Rezende and Mohamed",
    )
    for number in (1, 2, 3, 4)
}
