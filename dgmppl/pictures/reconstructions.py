"""Data and what is left of them on the way through guide and model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from torch import nn

from dgmppl.binding import bind
from dgmppl.pictures.error import PictureError
from dgmppl.pictures.latents import rows_first
from dgmppl.pictures.observations import generated, observed_rows, observed_site
from dgmppl.pictures.view import view_of

__all__ = ["reconstructions"]


def reconstructions(
    program: nn.Module,
    x: Any,
    n: int = 48,
    *,
    data_site: str | None = None,
    image_shape: Sequence[int] | None = None,
    seed: int | None = 0,
) -> Figure:
    """The mean of p(x|z) at a draw z from q(z|x), below (or joined to) each datum.

    Arguments:
        program: A program with a guide.
        x: A batch.
        n: How many of its first data.
        data_site: The observed site; by default the largest.
        image_shape: `(channels, height, width)` if data are pictures stored flat.
        seed: For the draws.

    Returns:
        A figure.

    Raises:
        PictureError: If the program has no guide or no latents.

    Example:
        >>> import torch
        >>> from dgmppl.models.vae import VAE
        >>> figure = reconstructions(VAE(data_dim=16, z_dim=2), torch.ones(3, 16))
        >>> figure.get_suptitle()
        'Reconstructions'
    """
    binding = bind(program, x)
    if not (binding.has_guide and binding.latents):
        raise PictureError(
            "Expected a program with latents and a guide, to reconstruct data from what it infers. "
            "Try with_guide(…), or the picture of samples."
        )
    site = observed_site(binding, data_site)
    data = observed_rows(binding, x, site).cpu()[:n]
    view = view_of(data.shape[1:], image_shape)
    drawn = generated(binding, site, x=x, posterior=True, means=True, seed=seed)
    latents = ", ".join(s.name for s in binding.latents) if len(binding.latents) < 4 else "latents"
    note = f"mean of p({site.name} | {latents}) at one draw from q({latents} | {site.name})"
    return view.pairs(data, rows_first(binding, site, drawn).cpu()[:n], "Reconstructions", note)
