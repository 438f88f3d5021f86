"""The same VAE by the importance-weighted bound of K draws."""

from __future__ import annotations

import math
from functools import partial

import torch
from pyro.infer import RenyiELBO
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from dgmppl.models.vae import VAE
from dgmppl.objectives import IWAE

from ..makers import bound_makers
from ..workload import Workload
from .vae import vae_layers

__all__ = ["iwae"]


def iwae(
    batch: int, K: int, data_dim: int = 784, z_dim: int = 50, hidden_features: int = 200
) -> Workload:
    """The workload at one size of batch and K draws."""
    program = partial(VAE, data_dim, z_dim, hidden_features)
    return Workload(
        name=f"iwae-{batch}",
        about=f"IWAE of K = {K}, the same networks, batch {batch}",
        shape=(batch, data_dim),
        program=program,
        makers=bound_makers(
            program,
            loss=partial(negative_bound, K=K),
            objective=IWAE(num_particles=K),
            pyro_elbo=partial(RenyiELBO, alpha=0, num_particles=K, vectorize_particles=True),
            numpyro=("vae", lambda infer: infer.RenyiELBO(alpha=0, num_particles=K)),
        ),
        layers=vae_layers(batch, batch * K, data_dim, z_dim, hidden_features),
        block=5,
    )


def negative_bound(program: nn.Module, x: Tensor, K: int) -> Tensor:
    """−log 1/K Σ_k p(x, z_k) / q(z_k|x), nats a datum; the two Gaussians' constants cancel."""
    loc, log_scale = program.encoder(x).chunk(2, -1)
    noise = torch.randn(K, *loc.shape, device=loc.device)
    z = loc + log_scale.exp() * noise
    logits = program.decoder(z)
    log_p = -cross_entropy(logits, x.expand_as(logits), reduction="none").sum(-1)
    log_w = log_p + (0.5 * (noise**2 - z**2) + log_scale).sum(-1)
    return math.log(K) - torch.logsumexp(log_w, 0).mean()
