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
from dgmppl.data import load
from dgmppl.objectives import Adversarial, MutualInformation
from dgmppl.recipes import Recipe

__all__ = ["InfoGAN", "recipes"]


def pictures(
    inputs: int, image_shape: tuple[int, int, int], features: int, hidden_features: int
) -> nn.Sequential:
    """`[B, inputs] → [B, *image_shape]`, values in (0, 1), each side twice doubled."""
    channels, height, width = image_shape
    first = (2 * features, height // 4, width // 4)
    number = first[0] * first[1] * first[2]
    return nn.Sequential(
        nn.Linear(inputs, hidden_features),
        nn.BatchNorm1d(hidden_features),
        nn.ReLU(),
        nn.Linear(hidden_features, number),
        nn.BatchNorm1d(number),
        nn.ReLU(),
        nn.Unflatten(1, first),
        nn.ConvTranspose2d(2 * features, features, 4, 2, 1),
        nn.BatchNorm2d(features),
        nn.ReLU(),
        nn.ConvTranspose2d(features, channels, 4, 2, 1),
        nn.Sigmoid(),
    )


def answers(
    image_shape: tuple[int, int, int], features: int, hidden_features: int, outputs: int
) -> nn.Sequential:
    """`[B, *image_shape] → [B, outputs]`, each side twice halved."""
    channels, height, width = image_shape
    return nn.Sequential(
        nn.Conv2d(channels, features, 4, 2, 1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(features, 2 * features, 4, 2, 1),
        nn.BatchNorm2d(2 * features),
        nn.LeakyReLU(0.1),
        nn.Flatten(1),
        nn.Linear(2 * features * (height // 4) * (width // 4), hidden_features),
        nn.BatchNorm1d(hidden_features),
        nn.LeakyReLU(0.1),
        nn.Linear(hidden_features, outputs),
    )


class InfoGAN(dgmppl.Program):
    """A generator of noise and a code, a critic, and a guide of the code alone.

    The guide sees pictures with noise while it learns: without it the code is written in what can
    hardly be seen, and not in the class.

    Arguments:
        image_shape: Channels, height and width, the last two multiples of four.
        z_dim: Size of the noise.
        codes: K, how many values the code has.
        features: Channels of the wider pictures inside; the smaller ones have twice as many.
        hidden_features: Width of the dense layers.
        blur: Standard deviation of the noise that the guide sees.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        z_dim: int = 62,
        codes: int = 10,
        features: int = 64,
        hidden_features: int = 1024,
        blur: float = 0.3,
    ):
        super().__init__()
        self.z_dim, self.codes, self.blur = z_dim, codes, blur
        sizes = image_shape, features, hidden_features
        self.generator = pictures(z_dim + codes, *sizes)
        self.recognition = answers(*sizes, codes)
        self.critic = nn.Sequential(answers(*sizes, 1), nn.Flatten(0))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """x = generator(z, c), of shape `[B, *image_shape]`."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            c = pyro.sample("c", Categorical(logits=torch.zeros(self.codes)))
            code = (c[..., None] == torch.arange(self.codes)).to(z)
            drawn = self.generator(torch.cat([z, code], -1))
            return dgmppl.implicit("x", drawn, event_dim=3, obs=x)

    def guide(self, x: Tensor) -> Tensor:
        """q(c|x)."""
        with dgmppl.data_plate(x):
            seen = x + self.blur * torch.randn_like(x) if self.training else x
            return pyro.sample("c", Categorical(logits=self.recognition(seen)))


def adam(rate: float) -> partial[torch.optim.Adam]:
    """Adam with half the usual memory of gradients."""
    return partial(torch.optim.Adam, lr=rate, betas=(0.5, 0.999))


recipes = {
    "info-gan": Recipe(
        program=partial(InfoGAN, z_dim=16, features=16, hidden_features=128),
        objective=Adversarial("x") + MutualInformation("c"),
        data=partial(load, name="digits", flatten=False),
        optimizer={"model": adam(1e-3), "guide": adam(2e-4), "critic": adam(2e-4)},
        epochs=200,
        batch_size=64,
        about="GAN whose code of ten values tells its draws apart",
    ),
}
