"""Convolutional variational autoencoder for pictures.

        z ──▶ x          p(z) = N(0, I)            p(x|z) = Bernoulli(transposed convolutions(z))
        ▲     │          q(z|x) = N(μ(x), σ²(x))   μ, σ: convolutions of x
        └─────┘

Learned by the importance-weighted bound log 1/K Σ_k p(x, z_k) / q(z_k|x). The K draws are a leading
dimension that the convolutions never see.

References:
    Auto-Encoding Variational Bayes, Diederik Kingma and Max Welling, 2013. https://arxiv.org/abs/1312.6114
    Importance Weighted Autoencoders, Yuri Burda et al., 2015. https://arxiv.org/abs/1509.00519
    Deconvolutional Networks, Matthew Zeiler et al., 2010. https://doi.org/10.1109/CVPR.2010.5539957
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.data import DynamicBinarisation, load
from dgmppl.networks import flatten_batch
from dgmppl.objectives import IWAE
from dgmppl.recipes import Recipe

__all__ = ["ConvVAE", "recipes"]


def encoder(image_shape: tuple[int, int, int], channels: int, out_features: int) -> nn.Module:
    """Two convolutions, `[*batch 1 height width] → [*batch out]`."""
    _, height, width = image_shape
    return flatten_batch(
        nn.Sequential(
            nn.Conv2d(1, channels, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * channels * (height // 4) * (width // 4), out_features),
        ),
        event_dim=3,
    )


def decoder(in_features: int, channels: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """Two transposed convolutions, `[*batch in] → [*batch 1 height width]`."""
    inner = (2 * channels, image_shape[1] // 4, image_shape[2] // 4)
    return flatten_batch(
        nn.Sequential(
            nn.Linear(in_features, inner[0] * inner[1] * inner[2]),
            nn.ReLU(),
            nn.Unflatten(1, inner),
            nn.ConvTranspose2d(2 * channels, channels, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, 1, 4, stride=2, padding=1),
        ),
        event_dim=1,
    )


class ConvVAE(dgmppl.Program):
    """A Gaussian code under Bernoulli pixels, through convolutions.

    Arguments:
        image_shape: `(1, height, width)`, both divisible by four.
        z_dim: Size of the code.
        channels: Of the outer layers; the inner ones have twice as many.

    Raises:
        ValueError: If a picture cannot be halved twice.

    Example:
        >>> ConvVAE(image_shape=(1, 8, 8)).model(n=3).shape
        torch.Size([3, 1, 8, 8])
    """

    def __init__(
        self, image_shape: tuple[int, int, int] = (1, 28, 28), z_dim: int = 16, channels: int = 32
    ):
        super().__init__()
        if image_shape[0] != 1 or image_shape[1] % 4 or image_shape[2] % 4:
            raise ValueError(
                "Expected one channel, and height and width divisible by 4, got image_shape="
                f"{image_shape}. Try padding the pictures."
            )
        self.z_dim = z_dim
        self.encoder = encoder(image_shape, channels, 2 * z_dim)
        self.decoder = decoder(z_dim, channels, image_shape)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(z) p(x|z), x of shape `[B, 1, height, width]`."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            return pyro.sample("x", Bernoulli(logits=self.decoder(z)).to_event(3), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        """q(z|x)."""
        with dgmppl.data_plate(x):
            loc, log_scale = self.encoder(x).chunk(2, -1)
            return pyro.sample("z", Normal(loc, log_scale.exp()).to_event(1))


recipes = {
    "conv-vae": Recipe(
        program=ConvVAE,
        objective=IWAE(num_particles=5),
        data=partial(load, name="digits", flatten=False, pixels=DynamicBinarisation()),
        about="convolutional VAE, importance-weighted bound, K = 5",
    )
}
