"""Ladder variational autoencoder: the guide comes down the model's own path.

    d2 ─ ─▶ z2          d_i = rung_i(d_{i−1}), d_0 = x             deterministic, upwards
     ▲       │          p(z_i|z_{i+1}) = N(μ_i, σ_i²)(z_{i+1})     downwards; p(z_L) = N(0, I)
     │       ▼          p(x|z_1) = Bernoulli(decoder(z_1))
    d1 ─ ─▶ z1          q(z_i|z_{i+1}, x) ∝ p(z_i|z_{i+1}) N(z_i; μ̂_i, σ̂_i²)(d_i)
     ▲       │
     │       ▼          1/s_i² = 1/σ_i² + 1/σ̂_i²
     └────── x          m_i = s_i² (μ_i/σ_i² + μ̂_i/σ̂_i²)

Each layer's posterior is its prior corrected by what the data say of that layer: precisions add.
Two things let upper layers take hold: batch normalisation, and a warm-up in which the power of the
latent sites rises from 0 to 1. Unlike in the paper, the top layer, too, is combined with its prior.

References:
    Ladder Variational Autoencoders, Casper Kaae Sønderby et al., 2016.
    https://arxiv.org/abs/1602.02282
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import pyro
import torch
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.networks import flatten_batch
from dgmppl.objectives import ELBO
from dgmppl.recipes import Recipe
from dgmppl.schedules import Linear

__all__ = ["LadderVAE", "combine", "recipes"]


def rung(in_features: int, hidden_features: int) -> nn.Sequential:
    """Two normalised layers of leaky rectifiers, `[batch in] → [batch hidden]`."""
    return nn.Sequential(
        nn.Linear(in_features, hidden_features, bias=False),
        nn.BatchNorm1d(hidden_features),
        nn.LeakyReLU(),
        nn.Linear(hidden_features, hidden_features, bias=False),
        nn.BatchNorm1d(hidden_features),
        nn.LeakyReLU(),
    )


def mlp(in_features: int, hidden_features: int, out_features: int) -> nn.Module:
    """The same, and a linear layer, for any batch: `[*batch in] → [*batch out]`."""
    layers = rung(in_features, hidden_features)
    net = nn.Sequential(layers, nn.Linear(hidden_features, out_features))
    return flatten_batch(net, event_dim=1)


def gaussian(parameters: Tensor) -> Normal:
    """Normal units from means and log-scales, `[*batch 2·units]`."""
    loc, log_scale = parameters.chunk(2, -1)
    return Normal(loc, log_scale.exp())


def combine(prior: Normal, evidence: Normal) -> Normal:
    """The product of two normal densities, normalised: means are weighed by their precisions.

    Example:
        >>> combine(Normal(0.0, 1.0), Normal(torch.tensor(2.0), 1.0)).loc
        tensor(1.)
    """
    weight, other = prior.scale**-2, evidence.scale**-2
    variance = 1 / (weight + other)
    return Normal(variance * (weight * prior.loc + other * evidence.loc), variance.sqrt())


class LadderVAE(dgmppl.Program):
    """Gaussian codes under a Bernoulli likelihood, model and guide sharing the way down.

    Arguments:
        data_dim: Number of pixels.
        z_dims: Size of each code, from the data upwards; as many sites "z1", "z2", ….
        hidden_features: Width of every network.

    Normalisation makes one datum at a time an error in training mode; call `eval()` to draw one.
    """

    def __init__(
        self, data_dim: int = 784, z_dims: Sequence[int] = (10, 5), hidden_features: int = 200
    ):
        super().__init__()
        hidden, self.top_dim = hidden_features, z_dims[-1]
        widths = (data_dim, *(hidden for _ in z_dims[1:]))
        self.rungs = nn.ModuleList(rung(width, hidden) for width in widths)
        self.heads = nn.ModuleList(nn.Linear(hidden, 2 * units) for units in z_dims)
        self.down = nn.ModuleList(
            mlp(above, hidden, 2 * below) for below, above in pairwise(z_dims)
        )
        self.decoder = mlp(z_dims[0], hidden, data_dim)

    def ascend(self, x: Tensor) -> list[Normal]:
        """What x says of each layer: N(μ̂_i, σ̂_i²), from the data upwards."""
        found, d = [], x
        for step, head in zip(self.rungs, self.heads, strict=True):
            d = step(d)
            found.append(gaussian(head(d)))
        return found

    def descend(self, evidence: Sequence[Normal] = ()) -> Tensor:
        """Draws z_L … z_1, each from its prior or, given evidence, from what both say."""
        layer = Normal(torch.zeros(self.top_dim), 1.0)
        for i in reversed(range(len(self.heads))):
            drawn = combine(layer, evidence[i]) if evidence else layer
            z = pyro.sample(f"z{i + 1}", drawn.to_event(1))
            layer = gaussian(self.down[i - 1](z)) if i else layer
        return z

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        """p(z_L) … p(z_1|z_2) p(x|z_1), x of shape `[B, data_dim]`."""
        with dgmppl.data_plate(x, n):
            logits = self.decoder(self.descend())
            return pyro.sample("x", Bernoulli(logits=logits).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        """q(z_L|x) … q(z_1|z_2, x)."""
        with dgmppl.data_plate(x):
            self.descend(self.ascend(x))


recipes = {
    "ladder-vae": Recipe(
        program=LadderVAE,
        objective=ELBO(temper=Linear(0.0, 1.0, epochs=50)),
        optimizer=partial(torch.optim.Adam, lr=3e-3),
        epochs=100,
        about="ladder VAE with two stochastic layers, warmed up over 50 epochs",
    ),
}
