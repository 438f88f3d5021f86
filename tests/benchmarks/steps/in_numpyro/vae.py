"""The VAE."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpyro
from numpyro.distributions import Bernoulli, Normal

from .networks import Parameters, layout, mlp

__all__ = ["guide", "layout", "model"]


def model(p: Parameters, x: jax.Array) -> None:
    """p(z) p(x|z)."""
    z_dim = p["decoder.0.weight"].shape[0]
    with numpyro.plate("data", len(x)):
        z = numpyro.sample("z", Normal(jnp.zeros(z_dim), 1.0).to_event(1))
        logits = mlp(p, "decoder", z, jnp.tanh)
        numpyro.sample("x", Bernoulli(logits=logits).to_event(1), obs=x)


def guide(p: Parameters, x: jax.Array) -> None:
    """q(z|x)."""
    with numpyro.plate("data", len(x)):
        loc, log_scale = jnp.split(mlp(p, "encoder", x, jnp.tanh), 2, -1)
        numpyro.sample("z", Normal(loc, jnp.exp(log_scale)).to_event(1))
