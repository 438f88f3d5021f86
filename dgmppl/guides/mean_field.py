"""Every latent site of a datum as one vector of independent Gaussians."""

from __future__ import annotations

from dataclasses import dataclass

import pyro
from pyro.distributions import Normal
from torch import Tensor

from dgmppl.guides.latent import Latent
from dgmppl.guides.look import Rows

__all__ = ["MeanField"]


@dataclass(frozen=True)
class MeanField:
    """q(z) = Π_d N(z_d; μ_d, σ_d²) over all latent sites, each sent to its support.

    Its parameters are one vector a datum, λ = (μ, log σ), the sites in the model's order.

    Arguments:
        latents: The sites.
        rows: The data plate.
    """

    latents: tuple[Latent, ...]
    rows: Rows

    @property
    def size(self) -> int:
        """D, how many numbers all sites of a datum have together, unconstrained."""
        return sum(latent.size for latent in self.latents)

    def draw(self, parameters: Tensor, normal: type[Normal] = Normal) -> dict[str, Tensor]:
        """Samples every site.

        Arguments:
            parameters: λ, `[B, 2 D]`.
            normal: How its Gaussians are drawn.

        Returns:
            Site → its values, `[*batch, *event]`.
        """
        sizes = [latent.size for latent in self.latents]
        locs, log_scales = (half.split(sizes, -1) for half in parameters.chunk(2, -1))
        with self.rows.plate(len(parameters)):
            return {
                latent.name: pyro.sample(
                    latent.name, latent.place(normal(loc, log_scale.exp()).to_event(1))
                )
                for latent, loc, log_scale in zip(self.latents, locs, log_scales, strict=True)
            }
