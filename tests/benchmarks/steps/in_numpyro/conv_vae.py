"""The convolutional VAE, channels last."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro.distributions import Bernoulli, Normal

from .networks import Parameters, dense, doubling, halving

__all__ = ["guide", "layout", "model"]

ENCODER, DECODER = "encoder.net", "decoder.net"


def layout(parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Kernels to `[4 4 in out]`, the transposed ones flipped, and pixels in front of channels."""
    p = dict(parameters)
    flat = p[f"{DECODER}.0.bias"]
    channels = p[f"{DECODER}.3.weight"].shape[0]
    side = round((len(flat) / channels) ** 0.5)
    order = np.arange(len(flat)).reshape(channels, side, side).transpose(1, 2, 0).ravel()
    for name in (f"{ENCODER}.0.weight", f"{ENCODER}.2.weight"):
        p[name] = p[name].transpose(2, 3, 1, 0)
    for name in (f"{DECODER}.3.weight", f"{DECODER}.5.weight"):
        p[name] = p[name].transpose(2, 3, 0, 1)[::-1, ::-1]
    p[f"{ENCODER}.5.weight"] = p[f"{ENCODER}.5.weight"].T[order]
    p[f"{DECODER}.0.weight"] = p[f"{DECODER}.0.weight"].T[:, order]
    p[f"{DECODER}.0.bias"] = flat[order]
    return {name: np.ascontiguousarray(value) for name, value in p.items()}


def encoder(p: Parameters, x: jax.Array) -> jax.Array:
    """Two convolutions; with one channel, first and last place hold the same numbers."""
    y = x.reshape(*x.shape[:1], *x.shape[2:], 1)
    for i in (0, 2):
        y = jax.nn.relu(halving(y, p[f"{ENCODER}.{i}.weight"]) + p[f"{ENCODER}.{i}.bias"])
    return dense(p, f"{ENCODER}.5", y.reshape(len(x), -1))


def decoder(p: Parameters, z: jax.Array) -> jax.Array:
    """Two transposed convolutions."""
    y = jax.nn.relu(dense(p, f"{DECODER}.0", z))
    channels = p[f"{DECODER}.3.bias"].shape[0] * 2
    side = round((y.shape[-1] / channels) ** 0.5)
    y = y.reshape(-1, side, side, channels)
    y = jax.nn.relu(doubling(y, p[f"{DECODER}.3.weight"]) + p[f"{DECODER}.3.bias"])
    y = doubling(y, p[f"{DECODER}.5.weight"]) + p[f"{DECODER}.5.bias"]
    return y.reshape(*y.shape[:1], 1, *y.shape[1:3])


def model(p: Parameters, x: jax.Array) -> None:
    """p(z) p(x|z)."""
    z_dim = p[f"{DECODER}.0.weight"].shape[0]
    with numpyro.plate("data", len(x)):
        z = numpyro.sample("z", Normal(jnp.zeros(z_dim), 1.0).to_event(1))
        numpyro.sample("x", Bernoulli(logits=decoder(p, z)).to_event(3), obs=x)


def guide(p: Parameters, x: jax.Array) -> None:
    """q(z|x)."""
    with numpyro.plate("data", len(x)):
        loc, log_scale = jnp.split(encoder(p, x), 2, -1)
        numpyro.sample("z", Normal(loc, jnp.exp(log_scale)).to_event(1))
