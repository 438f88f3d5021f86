"""The gallery's convolutional VAE by the evidence lower bound with KL(q‖p) in closed form."""

from __future__ import annotations

from functools import partial

from dgmppl.models.conv_vae import ConvVAE

from ..layers import Convolution, Dense, Layer
from ..workload import Workload
from .vae import elbo_makers

__all__ = ["conv_vae"]


def conv_vae(batch: int, size: int = 28, z_dim: int = 16, channels: int = 32) -> Workload:
    """The workload at one size of batch and of pictures."""
    program = partial(ConvVAE, (1, size, size), z_dim, channels)
    return Workload(
        name=f"conv-vae-{batch}",
        about=f"convolutional VAE, {size}×{size}, {channels} channels, batch {batch}",
        shape=(batch, 1, size, size),
        program=program,
        makers=elbo_makers(program, "conv_vae"),
        layers=_layers(batch, size, z_dim, channels),
        block=15,
    )


def _layers(batch: int, size: int, z_dim: int, channels: int) -> tuple[Layer, ...]:
    flat = 2 * channels * (size // 4) ** 2
    return (
        Convolution(batch, 1, channels, size, input_gradient=False),
        Convolution(batch, channels, 2 * channels, size // 2),
        Dense(batch, flat, 2 * z_dim),
        Dense(batch, z_dim, flat),
        Convolution(batch, 2 * channels, channels, size // 4, transposed=True),
        Convolution(batch, channels, 1, size // 2, transposed=True),
    )
