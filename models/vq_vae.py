"""Vector-quantised VAE: a picture as a grid of codes, and a learned prior over them.

        c ──▶ z ──▶ x      p(c) = Π_i p(c_i | c_<i)     z_i = e_{c_i}, the codebook's vector
        ▲           │      p(x|z) = N(decoder(z), σ²)
        └───────────┘      q(c|x): the codes nearest to h = encoder(x), with probability 1

q gives probability 1 to one value of a discrete variable, so that log p(x|z) + log p(c) is a true
lower bound on log p(x). No gradient of log p(c) leaves the prior: it learns with all else, in one
stage. The encoder is given the decoder's gradient at z as if h had been z (straight through), and
pays β ‖h − sg(e)‖² to stay with its codes, which follow by ‖sg(h) − e‖² or as running means of h.

References:
    Neural Discrete Representation Learning, Aäron van den Oord, Oriol Vinyals, Koray Kavukcuoglu,
    2017. https://arxiv.org/abs/1711.00937
    Generating Diverse High-Fidelity Images with VQ-VAE-2, Ali Razavi, Aäron van den Oord, Oriol
    Vinyals, 2019. https://arxiv.org/abs/1906.00446
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pyro
import torch
from pyro.distributions import Categorical, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.data import load
from dgmppl.distributions import Autoregressive, Coded, Quantized
from dgmppl.networks import MovingCodebook, NextToken, Places, Recurrent, flatten_batch
from dgmppl.objectives import ELBO, VectorQuantization
from dgmppl.recipes import Recipe

__all__ = ["VQVAE", "recipes"]


def encoder(halvings: int, channels: int, code_dim: int) -> nn.Module:
    """A vector for every patch, `[*batch 1 height width] → [*batch code_dim positions]`."""
    layers: list[nn.Module] = []
    for i in range(halvings):
        layers += [nn.Conv2d(channels if i else 1, channels, 4, stride=2, padding=1), nn.ReLU()]
    layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()]
    layers += [nn.Conv2d(channels, code_dim, 1), nn.Flatten(2)]
    return flatten_batch(nn.Sequential(*layers), event_dim=3)


def decoder(halvings: int, channels: int, code_dim: int, height: int) -> nn.Module:
    """The pixels' means, `[*batch code_dim positions] → [*batch 1 height width]`."""
    first = nn.Conv2d(code_dim, channels, 3, padding=1)
    layers: list[nn.Module] = [nn.Unflatten(2, (height >> halvings, -1)), first]
    for i in reversed(range(halvings)):
        out = channels if i else 1
        layers += [nn.ReLU(), nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1)]
    return flatten_batch(nn.Sequential(*layers), event_dim=2)


def prior(num_codes: int, positions: int, hidden_features: int) -> nn.Module:
    """Logits of each code from those before it, `[*batch positions] → [*batch … num_codes]`."""
    body = nn.Sequential(
        Places(positions, hidden_features),
        nn.Dropout(0.3),  # codes are soon learned by heart
        Recurrent(nn.GRU(hidden_features, hidden_features, batch_first=True)),
        nn.Dropout(0.3),
    )
    return flatten_batch(NextToken(num_codes, hidden_features, body), event_dim=1)


class VQVAE(dgmppl.Program):
    """A grid of codes under Gaussian pixels.

    Arguments:
        image_shape: `(1, height, width)`, both divisible by 2 to the power of `halvings`.
        num_codes: K, size of the codebook.
        code_dim: D, length of a code's vector.
        halvings: How many times the encoder halves height and width.
        channels: Of the convolutions.
        hidden_features: Width of the prior.
        scale: σ of a pixel.
        codebook: Makes a codebook from K and D, of which it reads `weight`.

    Example:
        >>> VQVAE(image_shape=(1, 8, 8), halvings=1).model(n=3).shape
        torch.Size([3, 1, 8, 8])
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        num_codes: int = 32,
        code_dim: int = 4,
        halvings: int = 2,
        channels: int = 32,
        hidden_features: int = 128,
        scale: float = 0.1,
        codebook: Callable[[int, int], Any] = nn.Embedding,
    ):
        super().__init__()
        if image_shape[0] != 1 or any(side % 2**halvings for side in image_shape[1:]):
            raise ValueError(
                f"Expected one channel, and sides divisible by {2**halvings}, got image_shape="
                f"{image_shape}. Try padding the pictures."
            )
        self.num_codes, self.scale = num_codes, scale
        self.positions = (image_shape[1] >> halvings) * (image_shape[2] >> halvings)
        self.encoder = encoder(halvings, channels, code_dim)
        self.decoder = decoder(halvings, channels, code_dim, image_shape[1])
        self.codebook = codebook(num_codes, code_dim)
        self.prior = prior(num_codes, self.positions, hidden_features)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(c) p(x|z), x of shape `[B, 1, height, width]`."""
        codes = Autoregressive(self.prior, (self.positions,), lambda c: Categorical(logits=c))
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Coded(codes, self.codebook.weight))
            return pyro.sample("x", Normal(self.decoder(z.mT), self.scale).to_event(3), obs=x)

    def guide(self, x: Tensor) -> None:
        """The nearest codes, and no others."""
        with dgmppl.data_plate(x):
            pyro.sample("z", Quantized(self.encoder(x).mT, self.codebook.weight))


BASE = Recipe(
    program=partial(VQVAE, halvings=1),
    objective=ELBO() + VectorQuantization("z", commitment=0.25),
    data=partial(load, name="digits", flatten=False),
    optimizer=partial(torch.optim.Adam, lr=3e-3),
    epochs=150,
)

recipes = {
    "vq-vae": replace(BASE, about="vector-quantised VAE, codes learned by gradient"),
    "vq-vae-ema": replace(
        BASE,
        program=partial(VQVAE, halvings=1, codebook=MovingCodebook),
        about="vector-quantised VAE, codes as running means",
    ),
}
