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
from dgmppl.objectives import Adversarial, MutualInformation
from dgmppl.recipes import Recipe

__all__ = ["InfoGAN", "recipes"]


def network(
    inputs: int, hidden_features: int, outputs: int, normalise: type[nn.Module] = nn.Identity
) -> nn.Sequential:
    """Two hidden layers, `[B, inputs] → [B, outputs]`."""
    return nn.Sequential(
        nn.Linear(inputs, hidden_features),
        normalise(hidden_features),
        nn.LeakyReLU(0.2),
        nn.Linear(hidden_features, hidden_features),
        normalise(hidden_features),
        nn.LeakyReLU(0.2),
        nn.Linear(hidden_features, outputs),
    )


class InfoGAN(dgmppl.Program):
    """A generator of noise and a code, a critic, and a guide of the code alone.

    The guide sees pictures with noise while it learns: what of the code survives it is what can be
    seen from afar, such as the class.

    Arguments:
        data_dim: Number of pixels.
        z_dim: Size of the noise.
        codes: K, how many values the code has.
        hidden_features: Width of all networks.
        blur: Standard deviation of the noise that the guide sees.
    """

    def __init__(
        self,
        data_dim: int = 64,
        z_dim: int = 8,
        codes: int = 10,
        hidden_features: int = 256,
        blur: float = 0.6,
    ):
        super().__init__()
        self.z_dim, self.codes, self.blur = z_dim, codes, blur
        self.generator = network(z_dim + codes, hidden_features, data_dim, normalise=nn.BatchNorm1d)
        self.recognition = network(data_dim, hidden_features, codes)
        self.critic = nn.Sequential(network(data_dim, hidden_features, 1), nn.Flatten(0))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """x = generator(z, c), of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            c = pyro.sample("c", Categorical(logits=torch.zeros(self.codes)))
            code = (c[..., None] == torch.arange(self.codes)).to(z)
            drawn = self.generator(torch.cat([z, code], -1)).sigmoid()
            return dgmppl.implicit("x", drawn, obs=x)

    def guide(self, x: Tensor) -> Tensor:
        """q(c|x)."""
        with dgmppl.data_plate(x):
            seen = x + self.blur * torch.randn_like(x) if self.training else x
            return pyro.sample("c", Categorical(logits=self.recognition(seen)))


recipes = {
    "info-gan": Recipe(
        program=InfoGAN,
        objective=Adversarial("x", regularizer=R1(1.0)) + 0.1 * MutualInformation("c"),
        data=partial(load, name="digits"),
        optimizer=partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.999)),
        epochs=100,
        batch_size=64,
        about="GAN whose code of ten values tells its draws apart",
    ),
}
