"""The change of variables that all invertible models rest on: x = a z + b.

        z ──▶ x          p(z) = N(0, 1)      p(x) = p((x − b) / a) / |a|

With a = 2 and b = 1 the density is N(1, 4), and learning finds the data's own scale and mean.

References:
    Normalizing Flows for Probabilistic Modeling and Inference, George Papamakarios et al., 2019.
    https://arxiv.org/abs/1912.02762
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from pyro.distributions import Normal, TransformedDistribution
from pyro.distributions.transforms import AffineTransform
from torch import Tensor, nn

import dgmppl
from dgmppl.data import load
from dgmppl.objectives import MaximumLikelihood
from dgmppl.recipes import Recipe

__all__ = ["Affine", "recipes"]


class Affine(dgmppl.Program):
    """Real vectors, each coordinate on its own.

    Arguments:
        data_dim: D.
        scale: a at the start.
        shift: b at the start; `None` draws it.

    Example:
        >>> program = Affine(data_dim=1, scale=2.0, shift=1.0)
        >>> print(dgmppl.evidence(program, torch.tensor([[1.0], [3.0]])).value)
        tensor([-1.6121, -2.1121])
    """

    def __init__(self, data_dim: int = 2, scale: float = 1.0, shift: float | None = None):
        super().__init__()
        self.data_dim = data_dim
        self.scale = nn.Parameter(torch.full((data_dim,), scale))
        begun = torch.randn(data_dim) if shift is None else torch.full((data_dim,), shift)
        self.shift = nn.Parameter(begun)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(x), x of shape `[B, data_dim]`."""
        noise = Normal(torch.zeros(self.data_dim), 1.0).to_event(1)
        stretched = AffineTransform(self.shift, self.scale, event_dim=1)
        with dgmppl.data_plate(x, n):
            return pyro.sample("x", TransformedDistribution(noise, stretched), obs=x)


recipes = {
    "affine": Recipe(
        program=Affine,
        objective=MaximumLikelihood(),
        data=partial(load, name="moons"),
        optimizer=partial(torch.optim.Adam, lr=0.03),
        epochs=10,
        about="a scale and a shift of noise",
    ),
}
