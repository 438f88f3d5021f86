"""Variational autoencoder of pictures with missing pixels, by importance weighting (MIWAE).

        z ──▶ x_o          p(z) = N(0, I)       p(x_o|z) = Π_{d observed} Bernoulli(decoder(z)_d)
        ▲      │           q(z|x_o, m) = N(μ(x_o, m), σ²(x_o, m)),  m the mask of what is observed
        └──────┘

A decoder whose pixels are independent given z marginalises the missing ones by leaving them out,
and log 1/K Σ_k p(x_o, z_k) / q(z_k|x_o, m) is a bound on log p(x_o). After learning,
`dgmppl.impute` draws the missing pixels from p(x_m|x_o).

References:
    MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets, Pierre-Alexandre Mattei
        and Jes Frellsen, 2019. https://arxiv.org/abs/1812.02633
    EDDI: Efficient Dynamic Discovery of High-Value Information with Partial VAE, Chao Ma et al.,
        2019. https://arxiv.org/abs/1809.11142
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.data import DynamicBinarisation, MissingCompletelyAtRandom, load
from dgmppl.networks import FillBesideMask
from dgmppl.objectives import IWAE
from dgmppl.recipes import Recipe

__all__ = ["MissingDataVAE", "recipes"]

HALF = partial(load, name="digits", pixels=MissingCompletelyAtRandom(DynamicBinarisation()))


def mlp(in_features: int, hidden_features: int, out_features: int) -> nn.Sequential:
    """Two hidden layers of tanh units, `[*batch in] → [*batch out]`."""
    return nn.Sequential(
        nn.Linear(in_features, hidden_features),
        nn.Tanh(),
        nn.Linear(hidden_features, hidden_features),
        nn.Tanh(),
        nn.Linear(hidden_features, out_features),
    )


class MaskedVAE(dgmppl.Program):
    """A Gaussian code under a Bernoulli likelihood; the guide sees a mask beside the pixels."""

    def __init__(self, data_dim: int, z_dim: int, hidden_features: int):
        super().__init__()
        self.z_dim = z_dim
        self.encoder = mlp(2 * data_dim, hidden_features, 2 * z_dim)
        self.decoder = mlp(z_dim, hidden_features, data_dim)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(z) p(x|z), x of shape `[B, data_dim]`; nothing here knows of missing pixels."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            return pyro.sample("x", Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        """q(z|x_o, m) from pixels and mask, `[B, 2·data_dim]`."""
        with dgmppl.data_plate(x):
            loc, log_scale = self.encoder(x).chunk(2, -1)
            return pyro.sample("z", Normal(loc, log_scale.exp()).to_event(1))


class MissingDataVAE(dgmppl.Incomplete):
    """A VAE that learns from pictures with missing pixels (NaN, or a mask beside them).

    Arguments:
        data_dim: Number of pixels.
        z_dim: Size of the code.
        hidden_features: Width of both networks.

    Example:
        >>> program = MissingDataVAE(data_dim=3, z_dim=2)
        >>> x = torch.tensor([[1.0, torch.nan, 0.0]])
        >>> dgmppl.impute(program, x, num_imputations=4, seed=0).draws["x"].shape
        torch.Size([4, 1, 3])
    """

    def __init__(self, data_dim: int = 784, z_dim: int = 20, hidden_features: int = 200):
        super().__init__(MaskedVAE(data_dim, z_dim, hidden_features), FillBesideMask())


recipes = {
    "miwae": Recipe(
        program=MissingDataVAE,
        objective=IWAE(num_particles=5),
        data=HALF,
        epochs=100,
        about="VAE of pictures half of whose pixels are missing, by the MIWAE bound, K = 5",
    ),
}
