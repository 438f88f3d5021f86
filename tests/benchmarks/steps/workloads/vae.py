"""A VAE of 784-200-200-50, tanh, by the evidence lower bound with KL(q‖p) in closed form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from pyro.infer import TraceMeanField_ELBO
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from dgmppl.models.vae import VAE
from dgmppl.objectives import ELBO

from ..layers import Dense, mlp_layers
from ..makers import Makers, bound_makers
from ..workload import Workload

__all__ = ["elbo_makers", "vae", "vae_layers"]


def vae(batch: int, data_dim: int = 784, z_dim: int = 50, hidden_features: int = 200) -> Workload:
    """The workload at one size of batch."""
    program = partial(VAE, data_dim, z_dim, hidden_features)
    return Workload(
        name=f"vae-{batch}",
        about=f"VAE {data_dim}-{hidden_features}-{hidden_features}-{z_dim}, batch {batch}",
        shape=(batch, data_dim),
        program=program,
        makers=elbo_makers(program, "vae"),
        layers=vae_layers(batch, batch, data_dim, z_dim, hidden_features),
        block=50,
    )


def elbo_makers(program: Callable[[], nn.Module], network: str) -> Makers:
    """Who trains an encoder and a decoder by this bound; `network` is NumPyro's file."""
    return bound_makers(
        program,
        loss=negative_elbo,
        objective=ELBO(),
        pyro_elbo=TraceMeanField_ELBO,
        numpyro=(network, lambda infer: infer.TraceMeanField_ELBO()),
    )


def vae_layers(
    encoded: int, decoded: int, data_dim: int, z_dim: int, hidden_features: int
) -> tuple[Dense, ...]:
    """Products for so many rows in the encoder and in the decoder."""
    inner = hidden_features, hidden_features
    return (
        *mlp_layers(encoded, data_dim, *inner, 2 * z_dim, input_gradient=False),
        *mlp_layers(decoded, z_dim, *inner, data_dim),
    )


def negative_elbo(program: nn.Module, x: Tensor) -> Tensor:
    """−E_q[log p(x|z)] + KL, nats a datum."""
    loc, log_scale = program.encoder(x).chunk(2, -1)
    scale = log_scale.exp()
    z = loc + scale * torch.randn_like(loc)
    distortion = cross_entropy(program.decoder(z), x, reduction="sum")
    rate = 0.5 * (loc**2 + scale**2 - 1 - 2 * log_scale).sum()
    return (distortion + rate) / len(x)
