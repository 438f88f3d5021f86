"""Variational autoencoder, its β and importance-weighted relatives, and flow posteriors.

        z ──▶ x          p(z) = N(0, I)            p(x|z) = Bernoulli(decoder(z))
        ▲     │          q(z|x) = N(μ(x), σ²(x)), or a family of `dgmppl.guides`
        └─────┘

The same model serves every recipe: only the objective or the guide's family changes, as in
`dgmppl fit iaf-vae --set 'guide.family=InverseAutoregressive(depth=4)'`.

References:
    Auto-Encoding Variational Bayes, Diederik Kingma and Max Welling, 2013.
    https://arxiv.org/abs/1312.6114 Importance Weighted Autoencoders, Yuri Burda et al., 2015.
    https://arxiv.org/abs/1509.00519 β-VAE, Irina Higgins et al., 2017.
    https://openreview.net/forum?id=Sy2fzU9gl Variational Inference with Normalizing Flows, Danilo
    Rezende and Shakir Mohamed, 2015. https://arxiv.org/abs/1505.05770
"""

from __future__ import annotations

from functools import partial

import pyro
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.guides import (
    Amortized,
    Coupling,
    Family,
    Householder,
    InverseAutoregressive,
    Planar,
    Spline,
    Sylvester,
)
from dgmppl.objectives import ELBO, IWAE, DoublyReparameterized, StickingTheLanding
from dgmppl.recipes import Recipe

__all__ = ["VAE", "GaussianCode", "flow_guide", "recipes"]


def trunk(in_features: int, hidden_features: int) -> nn.Sequential:
    """Two hidden layers of tanh units, `[*batch in] → [*batch hidden]`."""
    return nn.Sequential(
        nn.Linear(in_features, hidden_features),
        nn.Tanh(),
        nn.Linear(hidden_features, hidden_features),
        nn.Tanh(),
    )


def mlp(in_features: int, hidden_features: int, out_features: int) -> nn.Sequential:
    """The same and a linear layer, `[*batch in] → [*batch out]`."""
    return nn.Sequential(
        *trunk(in_features, hidden_features), nn.Linear(hidden_features, out_features)
    )


class GaussianCode(dgmppl.Program):
    """A Gaussian code under a Bernoulli likelihood, without a guide.

    Arguments:
        data_dim: Number of pixels.
        z_dim: Size of the code.
        hidden_features: Width of the decoder.
    """

    def __init__(self, data_dim: int = 784, z_dim: int = 50, hidden_features: int = 200):
        super().__init__()
        self.data_dim, self.z_dim = data_dim, z_dim
        self.decoder = mlp(z_dim, hidden_features, data_dim)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(z) p(x|z), x of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(torch.zeros(self.z_dim), 1.0).to_event(1))
            return pyro.sample("x", Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)


class VAE(GaussianCode):
    """The same with a mean-field guide.

    Arguments:
        data_dim: Number of pixels.
        z_dim: Size of the code.
        hidden_features: Width of both networks.
    """

    def __init__(self, data_dim: int = 784, z_dim: int = 50, hidden_features: int = 200):
        encoder = mlp(data_dim, hidden_features, 2 * z_dim)  # first: published runs name their seed
        super().__init__(data_dim, z_dim, hidden_features)
        self.encoder = encoder

    def guide(self, x: Tensor) -> Tensor:
        """q(z|x)."""
        with dgmppl.data_plate(x):
            loc, log_scale = self.encoder(x).chunk(2, -1)
            return pyro.sample("z", Normal(loc, log_scale.exp()).to_event(1))


def flow_guide(program: GaussianCode, family: Family, hidden_features: int = 200) -> Amortized:
    """q(z|x) of any family, on the encoder's hidden layers."""
    features = trunk(program.data_dim, hidden_features)
    return Amortized(program, features, torch.zeros(1, program.data_dim), family=family)


def flow_vae(family: Family, about: str) -> Recipe:
    """The same model with another guide."""
    return Recipe(program=GaussianCode, guide=partial(flow_guide, family=family), about=about)


recipes = {
    "vae": Recipe(program=VAE, objective=ELBO(), about="VAE by the evidence lower bound"),
    "beta-vae": Recipe(program=VAE, objective=ELBO(temper={"z": 4.0}), about="β-VAE, β = 4"),
    "iwae": Recipe(
        program=VAE, objective=IWAE(num_particles=5), about="importance-weighted bound, K = 5"
    ),
    "dreg": Recipe(
        program=VAE,
        objective=IWAE(num_particles=5, gradient=DoublyReparameterized()),
        about="IWAE with doubly reparameterised gradients, K = 5",
    ),
    "stl": Recipe(
        program=VAE,
        objective=ELBO(gradient=StickingTheLanding()),
        about="VAE with path derivatives only",
    ),
    "planar-vae": flow_vae(Planar(depth=16), "VAE with 16 planar maps in its posterior"),
    "householder-vae": flow_vae(Householder(number=4), "VAE with reflections in its posterior"),
    "sylvester-vae": flow_vae(Sylvester(), "VAE with orthogonal Sylvester maps in its posterior"),
    "iaf-vae": flow_vae(
        InverseAutoregressive(hidden_features=200), "VAE with an inverse autoregressive posterior"
    ),
    "coupling-vae": flow_vae(
        Coupling(hidden_features=200), "VAE with affine couplings in its posterior"
    ),
    "spline-vae": flow_vae(Spline(), "VAE with a spline a coordinate in its posterior"),
}
