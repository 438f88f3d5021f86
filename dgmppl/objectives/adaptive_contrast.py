"""A Gaussian at the guide's moments, for a critic to tell the guide from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dgmppl.adversarial.two_traces import unmoved
from dgmppl.binding import Binding
from dgmppl.handlers import Lattice, Particles
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
    """

    loc: Tensor
    scale: Tensor

    def standardised(self, value: Tensor) -> Tensor:
        """(value − mean) / standard deviation."""
        return (value - self.loc) / self.scale

    def log_prob(self, value: Tensor, event_dim: int) -> Tensor:
        """Of the Gaussian with these moments, summed over the event."""
        density = torch.distributions.Normal(self.loc, self.scale).log_prob(value)
        return density.sum([*range(-event_dim, 0)]) if event_dim else density


@dataclass(frozen=True)
class AdaptiveContrast:
    """The critic tells the guide's draws from a Gaussian with their moments, not from the prior.

    What it has to learn is the guide's shape alone, not where the guide lies: it is shown draws
    that are standardised. The moments are those of draws at a fixed lattice of the guide's noise,
    its auxiliary sites, so that the Gaussian depends on the datum only: random ones would blur what
    the critic sees. They pass no gradient.

    Arguments:
        num_samples: How many points the lattice has.

    References:
        Adversarial Variational Bayes, Lars Mescheder, Sebastian Nowozin, Andreas Geiger, 2017,
        section 3.3. https://arxiv.org/abs/1701.04722
    """

    num_samples: int = 32

    def __post_init__(self) -> None:
        if self.num_samples < 2:
            raise ValueError(f"Expected num_samples of at least 2, got {self.num_samples}. Try 32.")

    @torch.no_grad()
    def moments(self, binding: Binding, x: Any, sites: Sequence[str]) -> dict[str, Moments]:
        """The moments of the guide's draws beside a batch, by site."""
        guide: Any = guide_of(binding.program)
        dim = binding.particle_dim
        handlers = (Lattice(), Particles(self.num_samples, dim))
        with unmoved(binding.program), isolated(binding.program):
            drawn = sample_sites(trace(guide, x, handlers=handlers))
        found = {}
        for name in sites:
            value = drawn[name]["value"]
            refuse_shared_noise(name, value)
            found[name] = Moments(value.mean(0), value.std(0).clamp(min=1e-4))
        return found


def refuse_shared_noise(name: str, value: Tensor) -> None:
    """Refuses one draw that was expanded to all particles, as it is with noise not of Pyro's."""
    if len(value) > 1 and value.stride(0) == 0:
        raise ObjectiveError(
            f"Several draws of the guide's site '{name}' need noise of their own. Try "
            "pyro.sample('noise', Normal(…), infer={'is_auxiliary': True}) in the guide, in the "
            "place of torch.randn."
        )
