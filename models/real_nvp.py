"""RealNVP: data as an invertible map of noise, half of the coordinates at a time.

        z ──▶ x          p(z) = N(0, I)      x = f(z)      log p(x) = log p(z) − log |∂f/∂z|

Each coupling scales and shifts one half by a function of the other half, and the coordinates are
turned around in between.

References:
    Density Estimation Using Real NVP, Laurent Dinh, Jascha Sohl-Dickstein, Samy Bengio, 2016.
    https://arxiv.org/abs/1605.08803
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from pyro.distributions import Normal, TransformedDistribution
from pyro.distributions.transforms import AffineCoupling, Permute
from pyro.nn import DenseNN
from torch import Tensor, nn

import dgmppl
from dgmppl.data import load
from dgmppl.objectives import MaximumLikelihood
from dgmppl.recipes import Recipe

__all__ = ["RealNVP", "recipes"]


class RealNVP(dgmppl.Program):
    """Real vectors.

    Arguments:
        data_dim: D, 2 or more.
        depth: How many couplings.
        hidden_features: Width of each one's network of two hidden layers.

    Example:
        >>> RealNVP(data_dim=3).model(n=5).shape
        torch.Size([5, 3])
    """

    def __init__(self, data_dim: int = 2, depth: int = 8, hidden_features: int = 64):
        super().__init__()
        self.data_dim, first = data_dim, data_dim // 2
        second, widths = data_dim - first, [hidden_features, hidden_features]
        nets = [DenseNN(first, widths, [second, second]) for _ in range(depth)]
        self.couplings = nn.ModuleList(AffineCoupling(first, net) for net in nets)
        self.register_buffer("backwards", torch.arange(data_dim).flip(0), persistent=False)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x), x of shape `[B, data_dim]`."""
        layers = [layer for own in self.couplings for layer in (own, Permute(self.backwards))]
        noise = Normal(torch.zeros(self.data_dim), 1.0).to_event(1)
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", TransformedDistribution(noise, layers), obs=x)


recipes = {
    "real-nvp": Recipe(
        program=RealNVP,
        objective=MaximumLikelihood(),
        data=partial(load, name="moons"),
        epochs=30,
        about="affine couplings of points in the plane",
    ),
}
