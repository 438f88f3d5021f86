"""The VAE of two stochastic layers."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpyro
from numpyro.distributions import Bernoulli, Distribution, Normal

from .networks import Parameters, layout, mlp

__all__ = ["guide", "layout", "model"]

leaky_relu = partial(jax.nn.leaky_relu, negative_slope=0.01)


def gaussian(parameters: jax.Array) -> Distribution:
    """A normal of independent units from means and log-scales, which are kept within ±5."""
    loc, log_scale = jnp.split(parameters, 2, -1)
    return Normal(loc, jnp.exp(5 * jnp.tanh(log_scale / 5))).to_event(1)


def model(p: Parameters, x: jax.Array) -> None:
    """p(z2) p(z1|z2) p(x|z1)."""
    top_dim = p["down.0.0.weight"].shape[0]
    with numpyro.plate("data", len(x)):
        z2 = numpyro.sample("z2", Normal(jnp.zeros(top_dim), 1.0).to_event(1))
        z1 = numpyro.sample("z1", gaussian(mlp(p, "down.0", z2, leaky_relu)))
        logits = mlp(p, "decoder", z1, leaky_relu)
        numpyro.sample("x", Bernoulli(logits=logits).to_event(1), obs=x)


def guide(p: Parameters, x: jax.Array) -> None:
    """q(z1|x) q(z2|z1)."""
    with numpyro.plate("data", len(x)):
        z1 = numpyro.sample("z1", gaussian(mlp(p, "up.0", x, leaky_relu)))
        numpyro.sample("z2", gaussian(mlp(p, "up.1", z1, leaky_relu)))
