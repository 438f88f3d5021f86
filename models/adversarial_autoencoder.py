"""Adversarial autoencoder: codes are matched to the prior by a critic, all of them together.

        z ──▶ x          p(z) = N(0, I)            p(x|z) = Bernoulli(decoder(z))
        ▲     │          q(z|x): a point, or a Gaussian
        └─────┘          critic(z): what tells codes of data from draws of the prior

A VAE draws each datum's q(z|x) to the prior; this draws their mixture over the data to it.

References:
    Adversarial Autoencoders, Alireza Makhzani et al., 2015. https://arxiv.org/abs/1511.05644
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from dgmppl.adversarial import R1
from dgmppl.models.vae import VAE, mlp
from dgmppl.objectives import ELBO, Adversarial
from dgmppl.recipes import Recipe

__all__ = ["AdversarialAutoencoder", "recipes"]


class AdversarialAutoencoder(VAE):
    """A VAE's networks and a critic of its code.

    Arguments:
        data_dim: Number of pixels.
        z_dim: Size of the code.
        hidden_features: Width of all networks.
    """

    def __init__(self, data_dim: int = 784, z_dim: int = 8, hidden_features: int = 200):
        super().__init__(data_dim, z_dim, hidden_features)
        self.critic = nn.Sequential(mlp(z_dim, hidden_features, 1), nn.Flatten(0))


recipes = {
    "adversarial-autoencoder": Recipe(
        program=AdversarialAutoencoder,
        objective=ELBO(temper={"z": 0.0}) + Adversarial("z", regularizer=R1(0.1)),
        optimizer=partial(torch.optim.Adam, lr=1e-3, betas=(0.5, 0.999)),
        schedule=partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=150),
        epochs=150,
        about="autoencoder whose codes are matched to the prior by a critic",
    ),
}
