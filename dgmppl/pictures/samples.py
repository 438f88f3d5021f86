"""What the model draws from its prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from torch import nn

from dgmppl.binding import bind
from dgmppl.pictures.observations import draw_observed, observed_rows, observed_site
from dgmppl.pictures.text_cells import TextCells
from dgmppl.pictures.view import view_of

__all__ = ["samples"]

CLOUD = 1000
MOST_LETTERS = 2000


def samples(
    program: nn.Module,
    x: Any,
    n: int = 64,
    *,
    data_site: str | None = None,
    image_shape: Sequence[int] | None = None,
    alphabet: str | None = None,
    seed: int | None = 0,
) -> Figure:
    """Draws from p(x): pictures or curves (means given the latents), points, a histogram.

    Arguments:
        program: The program.
        x: A batch, for its shape, its conditions, and to compare with in the plane.
        n: How many pictures or curves; of points there are as many as data, at most 1000.
        data_site: The observed site; by default the largest.
        image_shape: `(channels, height, width)` if data are pictures stored flat.
        alphabet: The characters, in the order of their numbers, if data are texts.
        seed: For the draws.

    Returns:
        A figure; `figure.savefig(path)` writes it.

    Raises:
        PictureError: If nothing is observed inside a data plate.

    Example:
        >>> import torch
        >>> from dgmppl.models.vae import VAE
        >>> figure = samples(VAE(data_dim=16, z_dim=2), torch.ones(3, 16), image_shape=(1, 4, 4))
        >>> figure.get_suptitle()
        'Samples'
    """
    binding = bind(program, x)
    site = observed_site(binding, data_site)
    data = observed_rows(binding, x, site).cpu()[:CLOUD]
    view = view_of(data.shape[1:], image_shape)
    means = view.prefers_means and bool(binding.latents)
    count = n if view.prefers_means else len(data)
    if alphabet:
        view, means = TextCells(alphabet, data.shape[-1]), False
        count = min(n, max(1, MOST_LETTERS // data.shape[-1]))
    rows = draw_observed(binding, x, count, site, means=means, seed=seed).cpu()
    note = "p(x), means given the latents" if means else "p(x)"
    return view.cloud(rows, data, "Samples", note.replace("x", site.name, 1))
