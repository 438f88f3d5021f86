"""A Gaussian at the guide's moments, for a critic to tell the guide from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.adversarial.two_traces import unmoved
from dgmppl.binding import Binding
from dgmppl.handlers import Particles
from dgmppl.objectives.objective import ObjectiveError
from dgmppl.program import guide_of
from dgmppl.traces import isolated, sample_sites, trace

__all__ = ["AdaptiveContrast", "Moments", "refuse_shared_noise"]


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of a site's draws, of each datum by itself.

    Arguments:
        loc: `[B, …]`.
        scale: Likewise.
        number: How many draws they were estimated from.
    """

    loc: Tensor
    scale: Tensor
    number: int

    def standardised(self, value: Tensor) -> Tensor:
        """(value − mean) / standard deviation."""
        return (value - self.loc) / self.scale

    def log_prob(self, value: Tensor, event_dim: int) -> Tensor:
        """Of the Gaussian with these moments, summed over the event.

        On average over draws of a Gaussian, it is what the true moments would give: the excess of
        estimated ones, about 3/2 nats a dimension over their number, is taken off.
        """
        density = torch.distributions.Normal(self.loc, self.scale).log_prob(value) + self._excess
        return density.sum([*range(-event_dim, 0)]) if event_dim else density

    @property
    def _excess(self) -> float:
        """E[−log N(z; estimates)] − E[−log N(z; true moments)] for Gaussian z, nats a dimension."""
        n, half = self.number, torch.tensor((self.number - 1) / 2)
        squares = (1 + 1 / n) * (n - 1) / (n - 3)
        return 0.5 * (squares - 1 + float(torch.digamma(half)) - math.log(half))


@dataclass(frozen=True)
class AdaptiveContrast:
    """The critic tells the guide's draws from a Gaussian with their moments, not from the prior.

    What it has to learn is the guide's shape alone, not where the guide lies: it is shown draws
    that are standardised. The moments are estimated from draws of their own, and pass no gradient.

    Arguments:
        num_samples: How many draws a datum, 4 or more.

    References:
        Adversarial Variational Bayes, Lars Mescheder, Sebastian Nowozin, Andreas Geiger, 2017,
        section 3.3. https://arxiv.org/abs/1701.04722
    """

    num_samples: int = 16

    def __post_init__(self) -> None:
        if self.num_samples < 4:
            raise ValueError(f"Expected num_samples of at least 4, got {self.num_samples}. Try 16.")

    @torch.no_grad()
    def moments(self, binding: Binding, x: Any, sites: Sequence[str]) -> dict[str, Moments]:
        """The moments of the guide's draws beside a batch, by site."""
        guide: Any = guide_of(binding.program)
        particles = Particles(self.num_samples, binding.particle_dim)
        with unmoved(binding.program), isolated(binding.program):
            drawn = sample_sites(trace(guide, x, handlers=(particles,)))
        found = {}
        for name in sites:
            value = drawn[name]["value"]
            refuse_shared_noise(name, value)
            scale = value.std(0).clamp(min=1e-4)
            found[name] = Moments(value.mean(0), scale, self.num_samples)
        return found


def refuse_shared_noise(name: str, value: Tensor) -> None:
    """Refuses one draw that was expanded to all particles, as it is with noise not of Pyro's."""
    if len(value) > 1 and value.stride(0) == 0:
        raise ObjectiveError(
            f"Several draws of the guide's site '{name}' need noise of their own. Try "
            "pyro.sample('noise', Normal(…), infer={'is_auxiliary': True}) in the guide, in the "
            "place of torch.randn."
        )
