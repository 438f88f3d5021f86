"""Clouds of points: a GAN with a guide, and an adversarial autoencoder.

        z ──▶ xᵢ ◀── uᵢ   p(z) = N(0, I), a shape        p(uᵢ) = N(0, I), a place on it
        ▲     │           xᵢ = generator(z, uᵢ), or p(xᵢ|z) = a mixture of Gaussians
        └─────┘           q(z|x) and critic(x, z), or critic(z), whatever the points' order

PC-GAN matches points given a code and codes by two games; the GAN here has one game of both.

References:
    Point Cloud GAN, Chun-Liang Li et al., 2018. https://arxiv.org/abs/1810.05795 Learning
    Representations and Generative Models for 3D Point Clouds, Panos Achlioptas et al., 2017.
    https://arxiv.org/abs/1707.02392 PointNet: Deep Learning on Point Sets for 3D Classification and
    Segmentation, Charles Qi et al., 2016. https://arxiv.org/abs/1612.00593
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from pyro.distributions import Categorical, MixtureSameFamily, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.adversarial import R1
from dgmppl.data import load
from dgmppl.models.pix2pix import network
from dgmppl.objectives import ELBO, Adversarial
from dgmppl.recipes import Recipe

__all__ = ["CloudAutoencoder", "CloudGAN", "recipes"]


class PointNet(nn.Module):
    """Each point by itself, then all of them: `[B, P, 3] → [B, outputs]`, whatever their order."""

    def __init__(self, hidden_features: int, outputs: int, code: int = 0):
        super().__init__()
        self.each = network(3, hidden_features, hidden_features)
        self.all = network(2 * hidden_features + code, hidden_features, outputs)

    def forward(self, x: Tensor, *code: Tensor) -> Tensor:
        """Of clouds, and of their codes `[B, code]` where there are any."""
        seen = self.each(x)
        return self.all(torch.cat([seen.amax(-2), seen.mean(-2), *code], -1))


class Clouds(dgmppl.Program):
    """What both have: a guide of shapes.

    Arguments:
        points: How many points a cloud has.
        z_dim: Size of the shape's code.
        hidden_features: Width of all networks.
    """

    def __init__(self, points: int = 128, z_dim: int = 8, hidden_features: int = 128):
        super().__init__()
        self.points, self.z_dim = points, z_dim
        self.encoder = PointNet(hidden_features, 2 * z_dim)

    def guide(self, x: Tensor) -> Tensor:
        """q(z|x)."""
        with dgmppl.data_plate(x):
            loc, log_scale = self.encoder(x).chunk(2, -1)
            return pyro.sample("z", Normal(loc, log_scale.clamp(-5, 2).exp()).to_event(1))

    def shape(self) -> Tensor:
        """p(z)."""
        return pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))


class CloudGAN(Clouds):
    """A generator of points, from their noise of size u_dim, and a critic of clouds and codes."""

    def __init__(
        self, points: int = 128, z_dim: int = 8, hidden_features: int = 128, u_dim: int = 4
    ):
        super().__init__(points, z_dim, hidden_features)
        self.u_dim = u_dim
        self.generator = network(z_dim + u_dim, hidden_features, 3)
        self.pairs = PointNet(hidden_features, 1, code=z_dim)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """Clouds, of shape `[B, points, 3]`."""
        with dgmppl.data_plate(x, n):
            z = self.shape()
            u = pyro.sample("u", Normal(torch.zeros(self.points, self.u_dim), 1.0).to_event(2))
            shape = z[..., None, :].expand(*u.shape[:-1], self.z_dim)
            drawn = self.generator(torch.cat([shape, u], -1))
            return dgmppl.implicit("x", drawn, event_dim=2, obs=x)

    def critic(self, x: Tensor, z: Tensor) -> Tensor:
        """Of pairs, `[B]`."""
        return self.pairs(x, z).squeeze(-1)


class CloudAutoencoder(Clouds):
    """Points from a mixture of so many Gaussians, and a critic of codes."""

    def __init__(
        self, points: int = 128, z_dim: int = 8, hidden_features: int = 128, components: int = 32
    ):
        super().__init__(points, z_dim, hidden_features)
        self.components = components
        self.decoder = network(z_dim, 2 * hidden_features, 7 * components)
        self.critic = nn.Sequential(network(z_dim, hidden_features, 1), nn.Flatten(0))

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """Clouds, of shape `[B, points, 3]`."""
        with dgmppl.data_plate(x, n):
            z = self.shape()
            parts = self.decoder(z).unflatten(-1, (1, self.components, 7))  # 1: for all points
            weight, loc, log_scale = parts.split([1, 3, 3], -1)
            gaussians = Normal(loc, log_scale.sub(2.0).clamp(-5, 1).exp()).to_event(1)
            each = MixtureSameFamily(Categorical(logits=weight.squeeze(-1)), gaussians)
            cloud = each.expand([*z.shape[:-1], self.points]).to_event(1)
            return pyro.sample("x", cloud, obs=x)


FURNITURE = partial(load, name="furniture", n=2_000)

recipes = {
    "point-cloud-gan": Recipe(
        program=CloudGAN,
        objective=Adversarial(("x", "z"), regularizer=R1(0.1)),
        data=FURNITURE,
        optimizer=partial(torch.optim.Adam, lr=5e-4, betas=(0.5, 0.999)),
        averaging=0.999,
        epochs=80,
        batch_size=50,
        about="generator of clouds of points and guide of shapes, by a critic of pairs",
    ),
    "point-cloud-aae": Recipe(
        program=partial(CloudAutoencoder, z_dim=4),
        objective=ELBO(temper={"z": 0.0}) + 10 * Adversarial("z", regularizer=R1(0.1)),
        data=FURNITURE,
        optimizer=partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.999)),
        schedule=partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=30),
        epochs=30,
        batch_size=50,
        about="adversarial autoencoder of clouds of points, with a density",
    ),
}
