"""Hierarchical variational autoencoder: any number of stochastic layers, one above the other.

        z3 ──▶ z2 ──▶ z1 ──▶ x      p(z_L) = N(0, I)      p(x|z_1) = Bernoulli(decoder(z_1))
         ▲─ ─ ─ ▲─ ─ ─ ▲─ ─ ─┘      p(z_i|z_{i+1}) = N(μ_i(z_{i+1}), σ_i²(z_{i+1}))
                                    q(z_i|z_{i−1}) = N(m_i(z_{i−1}), s_i²(z_{i−1})), z_0 = x

Model and guide are chains in opposite directions: log w = log p(x|z_1) + Σ_i log p(z_i|z_{i+1})
− Σ_i log q(z_i|z_{i−1}).

References:
    Importance Weighted Autoencoders, Yuri Burda, Roger Grosse, Ruslan Salakhutdinov, 2015.
        https://arxiv.org/abs/1509.00519
    Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives, George Tucker et al.,
        2018. https://arxiv.org/abs/1810.04152
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import pyro
import torch
from pyro.distributions import Bernoulli, Normal, TorchDistribution
from torch import Tensor, nn

import dgmppl
from dgmppl.objectives import IWAE, DoublyReparameterized
from dgmppl.recipes import Recipe

__all__ = ["HierarchicalVAE", "recipes"]


def mlp(in_features: int, hidden_features: int, out_features: int) -> nn.Sequential:
    """Two hidden layers of leaky rectifiers, `[*batch in] → [*batch out]`."""
    return nn.Sequential(
        nn.Linear(in_features, hidden_features),
        nn.LeakyReLU(),
        nn.Linear(hidden_features, hidden_features),
        nn.LeakyReLU(),
        nn.Linear(hidden_features, out_features),
    )


def gaussian(parameters: Tensor) -> TorchDistribution:
    """A normal of independent units from means and log-scales, `[*batch 2·units]`.

    Scales stay between e⁻⁵ and e⁵: one draw far out would else overflow the density below it.
    """
    loc, log_scale = parameters.chunk(2, -1)
    return Normal(loc, (5 * torch.tanh(log_scale / 5)).exp()).to_event(1)


class HierarchicalVAE(dgmppl.Program):
    """A chain of Gaussian codes under a Bernoulli likelihood.

    Arguments:
        data_dim: Number of pixels.
        z_dims: Size of each code, from the data upwards; as many sites "z1", "z2", ….
        hidden_features: Width of every network.

    Example:
        >>> program = HierarchicalVAE(data_dim=4, z_dims=(3, 2, 1))
        >>> [site.name for site in dgmppl.bind(program, torch.ones(5, 4)).latents]
        ['z3', 'z2', 'z1']
    """

    def __init__(
        self, data_dim: int = 784, z_dims: Sequence[int] = (10, 5), hidden_features: int = 200
    ):
        super().__init__()
        self.top_dim = z_dims[-1]
        sizes = (data_dim, *z_dims)
        self.decoder = mlp(z_dims[0], hidden_features, data_dim)
        self.down = nn.ModuleList(
            mlp(above, hidden_features, 2 * below) for below, above in pairwise(z_dims)
        )
        self.up = nn.ModuleList(
            mlp(below, hidden_features, 2 * above) for below, above in pairwise(sizes)
        )

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(z_L) … p(z_1|z_2) p(x|z_1), x of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            prior = Normal(torch.zeros(self.top_dim), 1.0).to_event(1)
            z = pyro.sample(f"z{len(self.up)}", prior)
            for i in reversed(range(len(self.down))):
                z = pyro.sample(f"z{i + 1}", gaussian(self.down[i](z)))
            return pyro.sample("x", Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        """q(z_1|x) q(z_2|z_1) …."""
        with dgmppl.data_plate(x):
            z = x
            for i, up in enumerate(self.up):
                z = pyro.sample(f"z{i + 1}", gaussian(up(z)))


recipes = {
    "hierarchical-vae": Recipe(
        program=HierarchicalVAE,
        objective=IWAE(num_particles=5, gradient=DoublyReparameterized()),
        optimizer=partial(torch.optim.Adam, lr=3e-3),
        epochs=100,
        about="VAE with two stochastic layers by the importance-weighted bound, K = 5",
    ),
}
