"""InfoGAN: a code that the draws must tell finds the classes of unlabelled pictures.

        z, c ──▶ x       p(z) = N(0, I), p(c) uniform over K      x = generator(z, c)
            ▲    │       q(c|x), a classifier
            └────┘       critic(x): what tells pictures from draws

The information of c and x, which the guide bounds from below, is raised beside the game.

References:
    InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial
    Nets, Xi Chen et al., 2016. https://arxiv.org/abs/1606.03657
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from pyro.distributions import Categorical, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.adversarial import R1
from dgmppl.data import load
from dgmppl.models.dcgan import convolutions, transposed_convolutions
from dgmppl.objectives import Adversarial, MutualInformation
from dgmppl.recipes import Recipe

__all__ = ["InfoGAN", "recipes"]


class InfoGAN(dgmppl.Program):
    """A generator of noise and a code, a critic, and a guide of the code alone.

    Arguments:
        image_shape: Channels, height and width, the last two multiples of four.
        z_dim: Size of the noise.
        codes: K, how many values the code has.
        features: Channels of the wider pictures inside all networks.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        z_dim: int = 16,
        codes: int = 10,
        features: int = 32,
    ):
        super().__init__()
        self.z_dim, self.codes = z_dim, codes
        self.generator = transposed_convolutions(z_dim + codes, image_shape, features)
        self.recognition = convolutions(image_shape, features, codes)
        self.critic = nn.Sequential(convolutions(image_shape, features, 1), nn.Flatten(0))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """x = generator(z, c), of shape `[B, *image_shape]`."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            c = pyro.sample("c", Categorical(logits=torch.zeros(self.codes)))
            code = (c[..., None] == torch.arange(self.codes)).to(z)
            return dgmppl.implicit(
                "x", self.generator(torch.cat([z, code], -1)), event_dim=3, obs=x
            )

    def guide(self, x: Tensor) -> Tensor:
        """q(c|x)."""
        with dgmppl.data_plate(x):
            return pyro.sample("c", Categorical(logits=self.recognition(x)))


recipes = {
    "info-gan": Recipe(
        program=InfoGAN,
        objective=Adversarial("x", regularizer=R1(1.0)) + 0.1 * MutualInformation("c"),
        data=partial(load, name="digits", flatten=False),
        optimizer=partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.999)),
        epochs=100,
        batch_size=64,
        about="GAN whose code of ten values tells its draws apart",
    ),
}
