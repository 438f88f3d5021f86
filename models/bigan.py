"""Adversarially learned inference, or BiGAN: a critic of pairs makes a guide of a generator.

        z ──▶ x          p(z) = N(0, I)            x = generator(z), without a density
        ▲     │          q(z|x) = N(μ(x), σ²(x))
        └─────┘          critic(x, z): what tells (x, q's z) from (p's x, z)

Where the critic finds no difference, the guide is the posterior of the generator.

References:
    Adversarially Learned Inference, Vincent Dumoulin et al., 2016. https://arxiv.org/abs/1606.00704
    Adversarial Feature Learning, Jeff Donahue, Philipp Krähenbühl, Trevor Darrell, 2016.
    https://arxiv.org/abs/1605.09782
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from pyro.distributions import Normal
from torch import Tensor

import dgmppl
from dgmppl.adversarial import R1
from dgmppl.data import Grey, load
from dgmppl.models.pix2pix import network
from dgmppl.objectives import Adversarial
from dgmppl.recipes import Recipe

__all__ = ["BiGAN", "recipes"]


class BiGAN(dgmppl.Program):
    """A generator of grey pixels, a guide, and a critic of both.

    Arguments:
        data_dim: Number of pixels.
        z_dim: Size of the code.
        hidden_features: Width of all networks.
    """

    def __init__(self, data_dim: int = 784, z_dim: int = 8, hidden_features: int = 256):
        super().__init__()
        self.z_dim = z_dim
        self.generator = network(z_dim, hidden_features, data_dim)
        self.encoder = network(data_dim, hidden_features, 2 * z_dim)
        self.pairs = network(data_dim + z_dim, hidden_features, 1)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """x = σ(generator(z)), of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            return dgmppl.implicit("x", self.generator(z).sigmoid(), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        """q(z|x)."""
        with dgmppl.data_plate(x):
            loc, log_scale = self.encoder(x).chunk(2, -1)
            return pyro.sample("z", Normal(loc, log_scale.clamp(-5, 2).exp()).to_event(1))

    def critic(self, x: Tensor, z: Tensor) -> Tensor:
        """Of pairs, `[B]`."""
        return self.pairs(torch.cat([x, z], -1)).squeeze(-1)


recipes = {
    "bigan": Recipe(
        program=BiGAN,
        objective=Adversarial(("x", "z"), regularizer=R1(1.0)),
        data=partial(load, name="digits", pixels=Grey()),
        optimizer=partial(torch.optim.Adam, lr=5e-4, betas=(0.5, 0.999)),
        epochs=300,
        about="generator and guide learned by a critic of pairs",
    ),
}
