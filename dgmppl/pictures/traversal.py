"""One latent unit moved, the others held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from dgmppl.binding import Binding, Site, bind
from dgmppl.pictures.follow import follow
from dgmppl.pictures.latents import (
    from_units,
    latent_site,
    posterior_means,
    prior_moments,
    take,
    to_units,
)
from dgmppl.pictures.observations import decode, observed_rows, observed_site
from dgmppl.pictures.view import view_of

__all__ = ["traversal"]

MOST_ROWS = 10


def traversal(
    program: nn.Module,
    x: Any,
    site: str | None = None,
    units: Sequence[int] | None = None,
    *,
    datum: int = 0,
    steps: int = 9,
    data_site: str | None = None,
    image_shape: Sequence[int] | None = None,
) -> Figure:
    """A row for each unit, moved from −3 to 3 prior standard deviations.

    The other units, and the latents that do not depend on them, stay at the posterior mean of one
    datum; latents that do depend on them follow at their means.

    Arguments:
        program: A program with a guide.
        x: A batch; which units are active is judged on all of it.
        site: A latent with one continuous value a datum; by default the first.
        units: Which of its units; by default the ten whose posterior means vary most over the
            batch, most varied first.
        datum: The row of the batch that the others' values come from.
        steps: How many values of each unit.
        data_site: The observed site; by default the largest.
        image_shape: `(channels, height, width)` if data are pictures stored flat.

    Returns:
        A figure.

    Raises:
        PictureError: If the program has no guide or no such latent.

    Example:
        >>> import torch
        >>> from dgmppl.models.vae import VAE
        >>> figure = traversal(VAE(data_dim=16, z_dim=2), torch.ones(3, 16))
        >>> figure.get_suptitle()
        'Traversal of z'
    """
    binding = bind(program, x)
    latent, shown = latent_site(binding, site), observed_site(binding, data_site)
    data = observed_rows(binding, x, shown).cpu()
    view = view_of(data.shape[1:], image_shape)
    means = posterior_means(binding, x)
    activity = to_units(binding, latent, means[latent.name]).var(0, correction=0)
    chosen = (
        list(units) if units is not None else activity.argsort(descending=True)[:MOST_ROWS].tolist()
    )
    deviations = torch.linspace(-3.0, 3.0, steps)
    cells = _moved(binding, x, means, latent, shown, chosen, deviations, datum)
    return view.grid(
        cells.cpu(),
        data,
        f"Traversal of {latent.name}",
        "one unit moved, the most active first; the others at the posterior mean of one datum"
        if units is None
        else "one unit moved; the others at the posterior mean of one datum",
        rows=[f"{latent.name}[{unit}]" for unit in chosen],
        columns=[
            f"{value:+.3g}".replace("-", "−") if value else "0" for value in deviations.tolist()
        ],
        axis="prior standard deviations from the prior mean",
    )


def _moved(
    binding: Binding,
    x: Any,
    means: dict[str, Tensor],
    latent: Site,
    shown: Site,
    units: list[int],
    deviations: Tensor,
    datum: int,
) -> Tensor:
    """The data decoded at each value of each unit, `[units, steps, …]`."""
    loc, scale = prior_moments(binding, x, means, latent)
    below = follow(binding, x).descendants(latent.name)
    held = {name: value for name, value in means.items() if name not in below}
    n = len(units) * len(deviations)
    index = torch.full((n,), datum, device=loc.device)
    rows, values = take(binding, x, held, index)
    table = to_units(binding, latent, values[latent.name]).clone()
    column = torch.tensor(units, device=loc.device).repeat_interleave(len(deviations))
    moved = loc[datum, column] + scale[datum, column] * deviations.to(loc.device).repeat(len(units))
    table[torch.arange(n, device=loc.device), column] = moved
    values[latent.name] = from_units(binding, latent, table, means[latent.name])
    return decode(binding, rows, values, n, shown).unflatten(0, (len(units), len(deviations)))
