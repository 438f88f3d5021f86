"""Hidden units that are seldom on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dgmppl.binding import Binding
from dgmppl.energy import Binary, machine_of
from dgmppl.objectives.contrastive import clamped, refuse_without_units
from dgmppl.objectives.objective import Loss, Objective, ObjectiveError, Phase, Progress
from dgmppl.sites import Kind

__all__ = ["Sparsity"]


@dataclass(frozen=True)
class Sparsity(Objective):
    """−Σ_j KL(target ‖ mean of unit j given the data): a term beside a contrastive objective.

    The mean is over the batch. `ContrastiveDivergence(1) + 0.1 * Sparsity("h", 0.05)` learns
    localised features.

    Arguments:
        site: A hidden layer of `Binary` units that interacts with none that is hidden.
        target: How often a unit should be on, in (0, 1).

    References:
        Sparse Deep Belief Net Model for Visual Area V2, Honglak Lee, Chaitanya Ekanadham, Andrew
        Ng, 2007. A Practical Guide to Training Restricted Boltzmann Machines, Geoffrey Hinton,
        2010. https://www.cs.toronto.edu/~hinton/absps/guideTR.pdf

    Example:
        >>> print(Sparsity("h", 0.05))
        −Σ_j KL(0.05 ‖ E_data[p(h_j = 1|x)])
    """

    site: str
    target: float = 0.1
    measure = "sparsity"

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise ValueError(f"Expected target in (0, 1), got {self.target}. Try 0.05.")

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """One player: the model."""
        return (Phase(("model",), self.loss),)

    def check(self, binding: Binding) -> None:
        """A hidden layer of this name."""
        refuse_without_units(binding, "Sparsity")
        site = binding.sites.get(self.site)
        if site is None or site.kind is not Kind.ENERGY or site.observed:
            hidden = [s.name for s in binding.latents if s.kind is Kind.ENERGY]
            raise ObjectiveError(
                f"Sparsity needs a hidden layer of units, of which the program has {hidden}; "
                f"'{self.site}' is none."
            )

    def state(self, binding: Binding, x: Any) -> None:
        """Looks at the layer's kind and neighbours."""
        machine, data = machine_of(binding.program, x), clamped(binding, x)
        hidden = [n for n in machine.neighbours[self.site] if n not in data]
        if not isinstance(machine.layers[self.site], Binary) or hidden or self.site in data:
            raise ObjectiveError(
                f"Sparsity needs Binary units whose means given the data are known; site "
                f"'{self.site}' is of {type(machine.layers[self.site]).__name__} and interacts "
                f"with the hidden layers {hidden}."
            )

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """The divergence, summed over units, nats."""
        machine, data = machine_of(binding.program, x), clamped(binding, x)
        field = machine.fields(machine.filled(data), [self.site], x)[self.site]
        mean = machine.layers[self.site].mean(field).mean(0)
        total = _divergence(self.target, mean).sum()
        return Loss(total, -total.detach(), {})

    @property
    def formula(self) -> str:
        """The sum of divergences."""
        return f"−Σ_j KL({self.target:g} ‖ E_data[p({self.site}_j = 1|x)])"

    @property
    def latex(self) -> str:
        """The sum of divergences."""
        return (
            rf"-\sum_j\mathrm{{KL}}\left({self.target:g}\,\middle\|\,"
            rf"\mathbb{{E}}_{{\mathrm{{data}}}}[p({self.site}_j=1|x)]\right)"
        )


def _divergence(target: float, mean: Tensor) -> Tensor:
    """Between two coins, nats."""
    mean = mean.clamp(1e-6, 1 - 1e-6)
    return target * (target / mean).log() + (1 - target) * ((1 - target) / (1 - mean)).log()
