"""What guides share that begin with an amortised guess and refine it datum by datum."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from dgmppl.guides.discrete import Discrete
from dgmppl.guides.family import at_least
from dgmppl.guides.inner_bound import InnerBound
from dgmppl.guides.latent import Latent
from dgmppl.guides.look import look
from dgmppl.guides.mean_field import MeanField
from dgmppl.program import without_guide
from dgmppl.site_checks import ProgramError
from dgmppl.traces import evaluating

__all__ = ["Refined"]


class Refined(nn.Module, ABC):
    """A mean field λ = (μ, log σ) that starts linear in the features and then takes some steps.

    The steps look at the model, at the very program that the guide was made for (which it uses and
    does not own), in evaluation mode: no running statistics move, no units are dropped, and no
    datum looks at another. What the steps draw for themselves comes from the global generator, once
    for all particles.

    Arguments:
        program: A program; its own guide, if any, is ignored.
        features: A network called with the batch as the guide is; its value is `[B, F]`.
        example: A batch to look at the model with.
        steps: Number of steps; 0 is the amortised guide that they start from.
        num_particles: Draws a datum for the slope of the evidence lower bound in each step, in
            mirrored pairs.
    """

    def __init__(
        self,
        program: nn.Module,
        features: nn.Module,
        example: Any,
        *,
        steps: int,
        num_particles: int,
    ):
        super().__init__()
        at_least("a number of steps", steps, 0, "steps=5")
        at_least("a number of particles", num_particles, 1, "num_particles=2")
        if not hasattr(program, "model"):
            raise ProgramError(
                f"Expected a program, whose parameters {type(self).__name__} shares, got "
                f"{type(program).__name__}. Try pair = dgmppl.Pair(model), this guide made for it, "
                "and pair.with_guide(…)."
            )
        program = without_guide(program)
        latents, rows, encoded = look(program, features, example, None)
        self.features, self.steps = features, steps
        field = MeanField(_continuous(latents, type(self).__name__), rows)
        self.start = nn.Linear(encoded.shape[-1], 2 * field.size).to(encoded)
        start = self.start(encoded).detach()
        self.bound = InnerBound(program, field, example, start, num_particles)

    @abstractmethod
    def refine(self, x: Any, features: Tensor, start: Tensor) -> list[Tensor]:
        """λ at the start and after every step, each `[B, 2 D]`."""

    def path(self, *args: Any, **kwargs: Any) -> list[Tensor]:
        """λ of a batch at the start and after every step, each `[B, 2 D]`."""
        features = self.features(*args, **kwargs)
        start = self.start(features).to(self.start.weight.dtype)  # in full precision under autocast
        x = kwargs or (args[0] if len(args) == 1 else args)
        with evaluating(self.bound.program):
            return self.refine(x, features, start)

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Draws every site for a batch, at the last λ.

        Returns:
            Site → its values, `[*batch, *event]`.
        """
        return self.bound.field.draw(self.path(*args, **kwargs)[-1])


def _continuous(latents: Sequence[Latent | Discrete], guide: str) -> tuple[Latent, ...]:
    for latent in latents:
        if isinstance(latent, Discrete):
            raise ProgramError(
                f"Site '{latent.name}' ({latent.kind.__name__}) is discrete, and {guide} follows "
                "gradients of its latents. Expected continuous latent sites. Try Amortized(…)."
            )
    return tuple(latent for latent in latents if isinstance(latent, Latent))
