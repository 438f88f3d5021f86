"""Data with missing entries, and what those may have been."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from dgmppl.binding import bind
from dgmppl.data import as_data, batches
from dgmppl.evaluation import impute
from dgmppl.pictures.cells import Cells
from dgmppl.pictures.curve_cells import CurveCells
from dgmppl.pictures.image_cells import ImageCells
from dgmppl.pictures.observations import observed_site
from dgmppl.pictures.view import view_of

__all__ = ["imputations"]


def imputations(
    program: nn.Module,
    x: Any,
    n: int = 12,
    *,
    truth: Tensor | None = None,
    num_imputations: int = 3,
    num_particles: int = 1000,
    data_site: str | None = None,
    image_shape: Sequence[int] | None = None,
    seed: int | None = 0,
) -> Figure:
    """A column a datum: what is observed, its imputations, their mean, and the truth if given.

    In pictures a missing pixel is drawn half-way between lowest and highest, in curves as a gap.

    Arguments:
        program: An `Incomplete` program.
        x: A batch with missing entries.
        n: How many of its first data.
        truth: The site's complete values `[B, …]`, or `None`.
        num_imputations: Draws from p(x_missing | x_observed).
        num_particles: Weighted draws of the latents behind each.
        data_site: The observed site; by default the largest.
        image_shape: `(channels, height, width)` if data are pictures stored flat.
        seed: For the draws.

    Returns:
        A figure.

    Raises:
        PictureError: If nothing is observed inside a data plate.
        ProgramError: If the program cannot be imputed with: see `impute`.

    Example:
        >>> import dgmppl
        >>> from dgmppl.models.vae import VAE
        >>> x = torch.ones(3, 16).masked_fill(torch.eye(3, 16).bool(), torch.nan)
        >>> figure = imputations(dgmppl.Incomplete(VAE(data_dim=16, z_dim=2)), x)
        >>> figure.get_suptitle()
        'Imputations'
    """
    rows = next(iter(batches(as_data(x), n))).x
    site = observed_site(bind(program, rows), data_site).name
    found = impute(program, rows, num_imputations, num_particles, seed=seed)
    tables = {"observed": found.given[site]}
    tables |= {f"imputed {i + 1}": draw for i, draw in enumerate(found.draws[site])}
    if site in found.mean:
        tables["mean"] = found.mean[site]
    if truth is not None:
        tables["truth"] = truth[:n].to(tables["observed"])
    cells = torch.stack([*tables.values()])
    view = view_of(cells.shape[2:], image_shape)
    missing = "grey" if isinstance(view, ImageCells) else "a gap"
    return (view if isinstance(view, Cells) else CurveCells()).grid(
        cells,
        cells[0],
        "Imputations",
        f"missing: {missing}; imputed: p(missing | observed), {num_particles} particles a datum",
        rows=[*tables],
    )
