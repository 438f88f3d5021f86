"""Class-conditional GAN in the manner of BigGAN, small.

        z, y ──▶ x       p(z) = N(0, I), p(y) uniform      x = generator(z, y), without a density
                         critic(x, y) = ψ(φ(x)) + ⟨embedding(y), φ(x)⟩

The class sets scale and shift of the generator's normalised layers; the critic projects features
on it; hinge loss, spectral norms, a critic that learns four times as fast.

References:
    Large Scale GAN Training for High Fidelity Natural Image Synthesis, Andrew Brock, Jeff Donahue,
    Karen Simonyan, 2018. https://arxiv.org/abs/1809.11096 cGANs with Projection Discriminator,
    Takeru Miyato and Masanori Koyama, 2018. https://arxiv.org/abs/1802.05637
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pyro
import torch
from pyro.distributions import Categorical, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.adversarial import Hinge, SpectralNorm
from dgmppl.data import SomeLabels, load
from dgmppl.objectives import Adversarial
from dgmppl.recipes import Recipe

__all__ = ["BigGAN", "recipes"]


class Conditioned(nn.Module):
    """A linear map, normalised, whose scale and shift are the class's."""

    def __init__(self, inputs: int, outputs: int, classes: int):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=False)
        self.norm = nn.BatchNorm1d(outputs, affine=False)
        self.scale, self.shift = (nn.Embedding(classes, outputs) for _ in range(2))
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, h: Tensor, y: Tensor) -> Tensor:
        """`[B, inputs] → [B, outputs]`."""
        return (self.norm(self.linear(h)) * self.scale(y) + self.shift(y)).relu()


class Projection(nn.Module):
    """A critic of pictures and classes."""

    def __init__(self, data_dim: int, hidden_features: int, classes: int):
        super().__init__()
        self.features = nn.Sequential(
            nn.Linear(data_dim, hidden_features),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_features, hidden_features),
            nn.LeakyReLU(0.2),
        )
        self.alone = nn.Linear(hidden_features, 1)
        self.embedding = nn.Linear(classes, hidden_features, bias=False)
        self.classes = classes

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """`[B]`."""
        features = self.features(x)
        one_hot = (y[..., None] == torch.arange(self.classes, device=y.device)).to(x)
        return self.alone(features).squeeze(-1) + (self.embedding(one_hot) * features).sum(-1)


class BigGAN(dgmppl.Program):
    """A conditional generator of grey pixels, and a critic that projects.

    Arguments:
        data_dim: Number of pixels.
        z_dim: Size of the noise.
        hidden_features: Width of both networks.
        classes: How many.
        truncation: Scale of the noise outside learning: below 1, better pictures and fewer kinds.
    """

    def __init__(
        self,
        data_dim: int = 64,
        z_dim: int = 16,
        hidden_features: int = 256,
        classes: int = 10,
        truncation: float = 1.0,
    ):
        super().__init__()
        self.z_dim, self.classes, self.truncation = z_dim, classes, truncation
        self.first = Conditioned(z_dim, hidden_features, classes)
        self.second = Conditioned(hidden_features, hidden_features, classes)
        self.pixels = nn.Linear(hidden_features, data_dim)
        self.critic = Projection(data_dim, hidden_features, classes)

    def model(self, x: Any = None, n: int = 1) -> dict[str, Tensor]:
        """x, of shape `[B, data_dim]`, and its class y, `[B]`."""
        given = {"x": None, "y": None} if x is None else x
        known = None if given["y"] is None else given["y"].clamp(min=0)  # −1 where it is hidden
        with dgmppl.data_plate(given["x"], n):
            y = pyro.sample("y", Categorical(logits=torch.zeros(self.classes)), obs=known)
            scale = 1.0 if self.training else self.truncation
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), scale).to_event(1))
            drawn = self.pixels(self.second(self.first(z, y), y)).sigmoid()
            return {"x": dgmppl.implicit("x", drawn, obs=given["x"]), "y": y}


ADAM = partial(torch.optim.Adam, betas=(0.0, 0.999))

recipes = {
    "big-gan": Recipe(
        program=BigGAN,
        objective=Adversarial(("x", "y"), Hinge(), SpectralNorm()),
        data=partial(load, name="digits", labels=SomeLabels(None)),
        optimizer={"model": partial(ADAM, lr=2.5e-4), "critic": partial(ADAM, lr=1e-3)},
        averaging=0.999,
        epochs=150,
        batch_size=64,
        about="digits by class, with a projecting critic of spectral norm",
    ),
}
