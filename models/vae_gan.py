"""VAE-GAN: a critic judges what a VAE draws, and what it sees is what a datum must be rebuilt in.

        z ──▶ x          p(z) = N(0, I)     x = decoder(z), without a density
        │    near        near: N(features(x), s² I), features the critic's last hidden layer
        └─ ─ ─ ◀─ data   q(z|x) = N(encoder(x))     critic(x) = linear(features(x))

Distances of pixels make a mean of all that is near; those of what tells pictures from draws do not.

References:
    Autoencoding beyond Pixels Using a Learned Similarity Metric, Anders Larsen et al., 2015.
    https://arxiv.org/abs/1512.09300
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import pyro
import torch
from pyro.distributions import Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.adversarial import R1
from dgmppl.data import load
from dgmppl.models.pix2pix import network
from dgmppl.objectives import ELBO, Adversarial
from dgmppl.recipes import Recipe

__all__ = ["VAEGAN", "recipes"]


class VAEGAN(dgmppl.Program):
    """Grey pixels.

    Arguments:
        data_dim: Number of pixels.
        z_dim: Size of the code.
        hidden_features: Width of all networks.
        scale: Of the features' likelihood.
    """

    def __init__(
        self,
        data_dim: int = 64,
        z_dim: int = 10,
        hidden_features: int = 256,
        scale: float = 0.1,
    ):
        super().__init__()
        self.z_dim, self.scale = z_dim, scale
        self.encoder = network(data_dim, hidden_features, 2 * z_dim)
        self.decoder = network(z_dim, hidden_features, data_dim)
        self.critic = network(data_dim, hidden_features, 1).append(nn.Flatten(0))

    def features(self, x: Tensor) -> Tensor:
        """What the critic sees of pictures."""
        return self.critic[:-2](x)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """x = decoder(z), of shape `[B, data_dim]`; near it in the critic's eyes."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            drawn = self.decoder(z).sigmoid()
            seen = None if x is None else self.features(x).detach()
            pyro.sample("near", Normal(self.features(drawn), self.scale).to_event(1), obs=seen)
            return dgmppl.implicit("x", drawn, obs=x)

    def guide(self, x: Tensor) -> Tensor:
        """q(z|x)."""
        with dgmppl.data_plate(x):
            loc, log_scale = self.encoder(x).chunk(2, -1)
            return pyro.sample("z", Normal(loc, log_scale.exp()).to_event(1))

    def roles(self) -> Mapping[str, Sequence[str]]:
        """The likelihood is in the critic's eyes, and does not move them."""
        names = [name for name, _ in self.named_parameters()]
        return {"model": [n for n in names if n.startswith("decoder")]}


recipes = {
    "vae-gan": Recipe(
        program=VAEGAN,
        objective=ELBO(temper={"x": 0.0}) + 10 * Adversarial("x", regularizer=R1(0.1)),
        data=partial(load, name="digits"),
        optimizer=partial(torch.optim.Adam, lr=5e-4, betas=(0.5, 0.999)),
        epochs=150,
        batch_size=64,
        about="VAE whose likelihood is in the eyes of a critic of its draws",
    ),
}
