"""One run of guide and model, and its sites' log-densities as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding

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

    def log_prob(self, site: dict[str, Any]) -> Tensor:
        """A site's log-density as a table `[K, B]`, or `[K, 1]` outside the data plate."""
        log_prob = site["fn"].log_prob(site["value"])
        if site["mask"] is False:
            log_prob = torch.zeros_like(log_prob)
        elif isinstance(site["mask"], Tensor):
            log_prob = torch.where(site["mask"], log_prob, log_prob.new_zeros(()))
        return self.table(site, log_prob)

    def table(self, site: dict[str, Any], value: Tensor) -> Tensor:
        """Sums a batch-shaped tensor over everything except the particles and the data."""
        scale = site["scale"] / self.binding.data_scale(site["cond_indep_stack"])
        if isinstance(scale, Tensor) or abs(scale - 1.0) > 1e-12:
            value = value * scale
        local = self.binding.is_local(site["cond_indep_stack"])
        particle, data = self.binding.particle_dim, self.binding.data_dim if local else 0
        kept = [d % value.dim() for d in (particle, data) if d and -d <= value.dim()]
        other = [d for d in range(value.dim()) if d not in kept]
        value = value.sum(other) if other else value
        if particle_missing := -particle > value.dim() + len(other):
            value = value.unsqueeze(0)
        return value if local else value.reshape(1 if particle_missing else -1, 1)

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
