"""From one datum to another through the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from dgmppl.binding import Binding, Site, bind
from dgmppl.data import batch_length, map_tensors
from dgmppl.data.nested import named_tensors
from dgmppl.pictures.latents import (
    from_units,
    is_discrete,
    latent_site,
    posterior_means,
    take,
    to_units,
)
from dgmppl.pictures.observations import decode, observed_rows, observed_site
from dgmppl.pictures.view import view_of

__all__ = ["interpolation"]

MOST_ROWS = 8


def interpolation(
    program: nn.Module,
    x0: Any,
    x1: Any,
    *,
    steps: int = 9,
    data_site: str | None = None,
    image_shape: Sequence[int] | None = None,
) -> Figure:
    """A row for each pair of data: the means of p(x|z) between their posterior means of z.

    Continuous latents move on the straight line; discrete ones, and the batch's conditions, change
    from the first datum's to the second's half-way.

    Arguments:
        program: A program with a guide and a continuous latent.
        x0: Where rows begin, a batch.
        x1: Where they end, a batch of the same length; at most eight pairs are shown.
        steps: How many points of the line, ends included.
        data_site: The observed site; by default the largest.
        image_shape: `(channels, height, width)` if data are pictures stored flat.

    Returns:
        A figure.

    Raises:
        PictureError: If the program has no guide or no continuous latent of the data.
        ValueError: If the batches differ in length.

    Example:
        >>> import torch
        >>> from dgmppl.models.vae import VAE
        >>> figure = interpolation(VAE(data_dim=16, z_dim=2), torch.ones(3, 16), torch.zeros(3, 16))
        >>> figure.get_suptitle()
        'Interpolation'
    """
    if batch_length(x0) != batch_length(x1):
        raise ValueError(
            f"Expected batches of one length, got {batch_length(x0)} and {batch_length(x1)}. "
            "Try x[:8], x[8:16]."
        )
    ends = [map_tensors(lambda tensor: tensor[:MOST_ROWS], x) for x in (x0, x1)]
    binding = bind(program, ends[0])
    latent_site(binding)  # refuses programs without
    shown = observed_site(binding, data_site)
    data = [observed_rows(binding, x, shown).cpu() for x in ends]
    view = view_of(data[0].shape[1:], image_shape)
    cells = _between(binding, ends, shown, steps).cpu()
    columns = [f"{t:.3g}" for t in torch.linspace(0, 1, steps).tolist()]
    note = "posterior means of two data, and the straight line between them"
    if view.prefers_means:
        cells = torch.cat([data[0][:, None], cells, data[1][:, None]], 1)
        columns, note = ["data", *columns, "data"], note + "; outermost the data themselves"
    return view.grid(
        cells,
        torch.cat(data),
        "Interpolation",
        note,
        rows=[f"pair {i}" for i in range(len(cells))],
        columns=columns,
        axis="share of the way",
    )


def _between(binding: Binding, ends: list[Any], shown: Site, steps: int) -> Tensor:
    """The decoded points, `[pairs, steps, …]`."""
    means = [posterior_means(binding, x) for x in ends]
    pairs = batch_length(ends[0])
    share = torch.linspace(0, 1, steps).repeat(pairs)
    index = torch.arange(pairs).repeat_interleave(steps)
    (x0, z0), (x1, z1) = (take(binding, x, z, index) for x, z in zip(ends, means, strict=True))
    values = {name: _mixed(binding, binding.sites[name], z0[name], z1[name], share) for name in z0}
    return decode(binding, _switched(x0, x1, share > 0.5), values, len(index), shown).unflatten(
        0, (pairs, steps)
    )


def _mixed(binding: Binding, site: Site, first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """A latent's values on the way; discrete ones jump half-way, those of all data stay."""
    if not site.local:
        return first
    a, b = (to_units(binding, site, value) for value in (first, second))
    share = share.to(a.device)[:, None]
    table = torch.where(share > 0.5, b, a) if is_discrete(site) else torch.lerp(a, b, share)
    return from_units(binding, site, table, first)


def _switched(x0: Any, x1: Any, late: Tensor) -> Any:
    """Rows of the first batch, and of the second where `late`."""
    second = iter([tensor for _, tensor in named_tensors(x1)])

    def pick(tensor: Tensor) -> Tensor:
        chosen = late.to(tensor.device).reshape(-1, *[1] * (tensor.dim() - 1))
        return torch.where(chosen, next(second), tensor)

    return map_tensors(pick, x0)
