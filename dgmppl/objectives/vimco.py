"""Score-function gradients for several particles, each measured against the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.objectives.objective import ObjectiveError
from dgmppl.objectives.score_function import Scored

if TYPE_CHECKING:
    from dgmppl.objectives.bound import Bound

__all__ = ["VIMCO"]


@dataclass(frozen=True)
class VIMCO(Scored):
    """The score function with a signal of its own for each of K particles.

    Particle k earns the bound minus what the bound would be if its weight were the geometric mean
    of the other K − 1. That baseline does not depend on the particle: the gradient stays unbiased.

    Arguments:
        everywhere: Whether reparameterised sites are treated so, too.

    References:
        Variational Inference for Monte Carlo Objectives, Andriy Mnih and Danilo Rezende, 2016.
        https://arxiv.org/abs/1602.06725
    """

    def check(self, bound: Bound, binding: Binding) -> None:
        """Several particles under one logarithm."""
        if bound.averages or bound.num_particles < 2:
            raise ObjectiveError(
                f"VIMCO compares particles under one logarithm; {type(bound).__name__} with "
                f"{bound.num_particles} has none to compare. Try IWAE(num_particles=5, "
                "gradient=VIMCO()), or gradient=ScoreFunction()."
            )

    def signal(self, bound: Bound, local: Tensor) -> Tensor:
        """The bound minus the bound without particle k, `[K, B]`."""
        number = len(local)
        others = (local.sum(0) - local) / (number - 1)
        own = torch.eye(number, dtype=torch.bool, device=local.device)[..., None]
        without = torch.where(own, others[None], local[:, None])
        return bound.reduce(local) - bound.reduce(without)
