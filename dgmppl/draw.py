"""One run of guide and model, and its sites' log-densities as tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from dgmppl.binding import Binding
from dgmppl.sites import shown

__all__ = ["Draw"]


@dataclass(frozen=True)
class Draw:
    """One run of guide and model.

    Arguments:
        binding: The program and its plates.
        model: The model's sample sites.
        guide: The guide's sample sites, as drawn.
        scored: The guide's sample sites, as scored (with fixed parameters if that was asked for).
        crossed: The draws as the model saw them, by site: where they cross from the guide.
    """

    binding: Binding
    model: dict[str, dict[str, Any]]
    guide: dict[str, dict[str, Any]]
    scored: dict[str, dict[str, Any]]
    crossed: dict[str, Tensor]

    def in_order(self, name: str) -> bool:
        """Whether the guide, too, drew before a latent site all that its prior may depend on.

        Otherwise those draws carry information about it, and the KL given them is not the term of
        the bound.
        """
        latents = [n for n, s in self.model.items() if n in self.guide and not s["is_observed"]]
        drawn = list(self.guide)
        before = latents[: latents.index(name)]
        return all(drawn.index(earlier) < drawn.index(name) for earlier in before)

    def divergence(self, name: str) -> Tensor | None:
        """KL(q‖p) of one latent site given what it depends on, where that is a term of the bound.

        It has the shape of the site's independent draws; `table` sums it. `None` where Pyro knows
        no closed form, or the guide draws in an order that forbids it.
        """
        site, drawn = self.model[name], self.guide[name]
        if site["is_observed"] or site["mask"] is False or not self.in_order(name):
            return None
        if self.binding.sites[name].point or not _weighed_alike(site, drawn):
            return None  # a Delta's own log-density is no part of Pyro's KL
        q, p = drawn["fn"], site["fn"]
        if q.batch_shape != p.batch_shape:
            shape = torch.broadcast_shapes(q.batch_shape, p.batch_shape)
            q, p = (f if f.batch_shape == shape else f.expand(shape) for f in (q, p))
        try:
            kl = kl_divergence(q, p)
        except NotImplementedError:
            return None
        return shown(site, kl)

    def density(self, site: dict[str, Any]) -> Tensor:
        """A site's log-density where its mask shows it, in the shape of its independent draws."""
        known = site.get("log_density")
        return shown(site, site["fn"].log_prob(site["value"]) if known is None else known)

    def log_prob(self, site: dict[str, Any]) -> Tensor:
        """A site's log-density as a table `[K, B]`, or `[K, 1]` outside the data plate."""
        return self.table(site, self.density(site))

    def scaled(self, site: dict[str, Any], value: Tensor) -> Tensor:
        """A batch-shaped tensor times the scale of its plates, but for that of the data."""
        scale = site["scale"] / self.binding.data_scale(site["cond_indep_stack"])
        return value * scale if isinstance(scale, Tensor) or abs(scale - 1.0) > 1e-12 else value

    def table(self, site: dict[str, Any], value: Tensor) -> Tensor:
        """Sums a batch-shaped tensor over everything except the particles and the data."""
        value = self.scaled(site, value)
        local = self.binding.is_local(site["cond_indep_stack"])
        particle, data = self.binding.particle_dim, self.binding.data_dim if local else 0
        kept = [d % value.dim() for d in (particle, data) if d and -d <= value.dim()]
        other = [d for d in range(value.dim()) if d not in kept]
        value = value.sum(other) if other else value
        if particle_missing := -particle > value.dim() + len(other):
            value = value.unsqueeze(0)
        return value if local else value.reshape(1 if particle_missing else -1, 1)

    def without_sites(self) -> Draw:
        """What is left to do with the gradients of draws, once all tables are known."""
        guide = {name: {"fn": self.guide[name]["fn"]} for name in self.crossed}
        return replace(self, model={}, guide=guide, scored={})

    def like(self, name: str, table: Tensor) -> Tensor:
        """A table `[K, B]` in the shape of a guide site's values, with ones for its event."""
        fn = self.guide[name]["fn"]
        shape = [1] * len(fn.batch_shape)
        for dim, size in zip(
            (self.binding.particle_dim, self.binding.data_dim), table.shape, strict=True
        ):
            if -dim <= len(shape):
                shape[dim] = size
        return table.reshape(*shape, *[1] * fn.event_dim)


def _weighed_alike(site: dict[str, Any], drawn: dict[str, Any]) -> bool:
    """Whether model and guide give a site the same scale and mask, as its KL does."""
    pairs = ((site["scale"], drawn["scale"]), (site["mask"], drawn["mask"]))
    return all(_same(a, b) for a, b in pairs)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a is b or (a.shape == b.shape and bool((a == b).all()))
    return not isinstance(a, Tensor) and not isinstance(b, Tensor) and a == b
