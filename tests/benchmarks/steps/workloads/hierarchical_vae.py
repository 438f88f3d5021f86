"""The gallery's VAE of two stochastic layers by the evidence lower bound, every term by draws."""

from __future__ import annotations

from functools import partial

import torch
from pyro.infer import Trace_ELBO
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from dgmppl.models.hierarchical_vae import HierarchicalVAE
from dgmppl.objectives import ELBO

from ..layers import Dense, mlp_layers
from ..makers import bound_makers
from ..workload import Workload

__all__ = ["hierarchical_vae"]


def hierarchical_vae(
    batch: int,
    data_dim: int = 784,
    z_dims: tuple[int, int] = (10, 5),
    hidden_features: int = 200,
) -> Workload:
    """The workload at one size of batch."""
    program = partial(HierarchicalVAE, data_dim, z_dims, hidden_features)
    return Workload(
        name=f"hierarchical-vae-{batch}",
        about=f"VAE of two stochastic layers ({z_dims[0]} and {z_dims[1]}), batch {batch}",
        shape=(batch, data_dim),
        program=program,
        makers=bound_makers(
            program,
            loss=negative_elbo,
            objective=ELBO(analytic_kl=False),
            pyro_elbo=Trace_ELBO,
            numpyro=("hierarchical_vae", lambda infer: infer.Trace_ELBO()),
        ),
        layers=_layers(batch, data_dim, z_dims, hidden_features),
        block=40,
    )


def _layers(
    batch: int, data_dim: int, z_dims: tuple[int, int], hidden_features: int
) -> tuple[Dense, ...]:
    (z1, z2), inner = z_dims, (hidden_features, hidden_features)
    return (
        *mlp_layers(batch, data_dim, *inner, 2 * z1, input_gradient=False),
        *mlp_layers(batch, z1, *inner, 2 * z2),
        *mlp_layers(batch, z2, *inner, 2 * z1),
        *mlp_layers(batch, z1, *inner, data_dim),
    )


def negative_elbo(program: nn.Module, x: Tensor) -> Tensor:
    """−E_q[log p(x|z1) p(z1|z2) p(z2) / q(z1|x) q(z2|z1)], nats a datum; constants cancel."""
    z1, log_q1 = _draw(program.up[0](x))
    z2, log_q2 = _draw(program.up[1](z1))
    loc, log_scale = _halves(program.down[0](z2))
    log_p1 = (-0.5 * ((z1 - loc) * torch.exp(-log_scale)) ** 2 - log_scale).sum()
    log_p2 = -0.5 * (z2**2).sum()
    distortion = cross_entropy(program.decoder(z1), x, reduction="sum")
    return (distortion + log_q1 + log_q2 - log_p1 - log_p2) / len(x)


def _draw(parameters: Tensor) -> tuple[Tensor, Tensor]:
    """A draw and its log-density, summed, without the constant."""
    loc, log_scale = _halves(parameters)
    noise = torch.randn_like(loc)
    return loc + log_scale.exp() * noise, (-0.5 * noise**2 - log_scale).sum()


def _halves(parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Means and log-scales, these within ±5."""
    loc, log_scale = parameters.chunk(2, -1)
    return loc, 5 * torch.tanh(log_scale / 5)
