"""How far each latent unit's guide is from its prior."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from dgmppl.draw import Draw
from dgmppl.posterior.axes import by_unit
from dgmppl.sites import base_distribution

__all__ = ["moments", "unit_divergences"]


def unit_divergences(draw: Draw, number: int, held: Collection[str] = ()) -> dict[str, Tensor]:
    """KL(q‖p) per unit, given the draws that a site depends on.

    It is in closed form where PyTorch knows the divergence: unit by unit if guide and prior
    factorise over a site's event, else as one unit. Elsewhere it is log q − log p of the site's
    draws, as one unit; latents that an automatic guide draws together are one entry, their names
    joined by commas.

    Arguments:
        draw: A run of guide and model.
        number: How many draws it holds.
        held: Guide sites that all draws share, too few for a sampled estimate.

    Returns:
        Site → nats, `[number, B, units]`; `[number, 1, units]` outside the data plate.
    """
    latents = [n for n, s in draw.model.items() if n in draw.guide and not s["is_observed"]]
    closed = {name: _closed(draw, name, number) for name in latents if draw.in_order(name)}
    known = {name: kl for name, kl in closed.items() if kl is not None}
    unknown = [name for name in latents if name not in known and name not in held]
    auxiliary = [n for n in draw.guide if n not in draw.model and n not in held]
    return known | _sampled(draw, unknown, auxiliary, number)


def moments(draw: Draw, name: str, number: int) -> Tensor:
    """E_q of each unit given what it depends on, or a draw where the mean is unknown.

    Arguments:
        draw: A run of guide and model.
        name: A latent site.
        number: How many draws it holds.

    Returns:
        `[number, B, units]`.
    """
    value = draw.model[name]["value"]
    try:
        mean = _drawn_from(draw, name).mean.expand(value.shape)
        value = mean if torch.isfinite(mean).all() else value
    except (NotImplementedError, RuntimeError):  # no mean is known, or it has another shape
        pass
    return by_unit(draw.binding, draw.model[name], value, draw.model[name]["fn"].event_dim, number)


def _closed(draw: Draw, name: str, number: int) -> Tensor | None:
    """The divergence of one site's units, `None` if it is not known."""
    site, q = draw.model[name], _drawn_from(draw, name)
    unknown = type(base_distribution(q)).__name__ == "Delta" or "units" in site["infer"]
    if unknown or site["mask"] is False:
        return None
    p, single = site["fn"], (_factors(q), _factors(site["fn"]))
    event_dim = p.event_dim if None not in single else 0
    shape = site["value"].shape[: site["value"].dim() - p.event_dim + event_dim]
    if event_dim:
        q, p = single
    try:
        kl = kl_divergence(q.expand(shape), p.expand(shape))  # PyTorch's need equal shapes
    except (NotImplementedError, RuntimeError):
        return None
    if isinstance(site["mask"], Tensor):
        mask = site["mask"].reshape(site["mask"].shape + (1,) * event_dim)
        kl = torch.where(mask, kl, kl.new_zeros(()))
    return by_unit(draw.binding, site, kl, event_dim, number)


def _drawn_from(draw: Draw, name: str) -> Any:
    """What the guide drew a site from: an automatic guide draws real sites under another name."""
    site, origin = draw.guide[name], draw.guide.get(f"{name}_unconstrained")
    if type(base_distribution(site["fn"])).__name__ != "Delta" or origin is None:
        return site["fn"]
    same = origin["value"].shape == site["value"].shape
    return origin["fn"] if same and torch.equal(origin["value"], site["value"]) else site["fn"]


def _factors(fn: Any) -> Any:
    """The distribution of single units, `None` if an event does not factorise into them."""
    while type(fn).__name__ == "Independent":
        fn = fn.base_dist
    return None if fn.event_shape else fn


def _sampled(draw: Draw, names: list[str], auxiliary: list[str], number: int) -> dict[str, Tensor]:
    """log q − log p of sites; auxiliary draws count with the sites that are made of them."""
    own = {f"{name}_unconstrained" for name in draw.model}
    common = [a for a in auxiliary if a not in own]
    parts = {n: [n, *(a for a in auxiliary if a == f"{n}_unconstrained")] for n in names}
    if not common or not names:
        return {name: _ratio(draw, part, [name], number) for name, part in parts.items()}
    guide = [*common, *(site for part in parts.values() for site in part)]
    places = {draw.binding.sites[site].local for site in guide}
    return {", ".join(names): _ratio(draw, guide, names, number)} if len(places) == 1 else {}


def _ratio(draw: Draw, guide: list[str], model: list[str], number: int) -> Tensor:
    """Σ log q − Σ log p, `[number, B, 1]`."""
    scores = [draw.log_prob(draw.guide[name]) for name in guide]
    scores += [-draw.log_prob(draw.model[name]) for name in model]
    return torch.stack(torch.broadcast_tensors(*scores)).sum(0).expand(number, -1).unsqueeze(-1)
