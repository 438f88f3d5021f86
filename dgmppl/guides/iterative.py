"""A guide that learns how to improve its own guess."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from dgmppl.guides.prediction_errors import errors_size, prediction_errors
from dgmppl.guides.refined import Refined
from dgmppl.traces import evaluating
from dgmppl.weights import Weights

__all__ = ["Iterative"]


class Update(nn.Module):
    """(λ, ∇L, context) → λ, part of it kept and part of it new."""

    def __init__(self, size: int, context: int, hidden_features: int):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(context + 2 * size + 1, hidden_features),
            nn.ELU(),
            nn.Linear(hidden_features, hidden_features),
            nn.ELU(),
            nn.Linear(hidden_features, 2 * size),
        )

    def forward(self, parameters: Tensor, slope: Tensor, context: Tensor) -> Tensor:
        """`[B, size]`, `[B, size]`, `[B, context]` → `[B, size]`."""
        length = slope.norm(dim=-1, keepdim=True) / math.sqrt(slope.shape[-1])
        inputs = (parameters, layer_norm(slope, slope.shape[-1:]), length.log1p(), context)
        proposal, gate = self.net(torch.cat(inputs, -1)).to(parameters.dtype).chunk(2, -1)
        return torch.lerp(proposal, parameters, gate.sigmoid())


class Iterative(Refined):
    """q(z | x) after T steps of a network that learned how to improve λ.

    λ_0 = W h(x) + w,   (f, g) = update(λ_t, ∇_λ L, h(x), e),   λ_{t+1} = g ⊙ λ_t + (1 − g) ⊙ f

    with L the evidence lower bound of the one datum, e what predictions miss of it, x − E[x|z], and
    one update for all steps. Slopes (layer-normed, their length beside) and errors are inputs: no
    gradient flows back through them, so that the model's parameters take no part in the guide.

    An objective sees q at one λ. In training every datum stops after a number of steps drawn evenly
    from 1 … T, so that the mean objective is the average over steps, which makes each of them an
    improvement; in evaluation all T are taken. The steps go on in `torch.where`, none is skipped.

    Arguments:
        program: A program with continuous latent sites inside its data plate; its own guide, if
            any, is ignored.
        features: A network called with the batch as the guide is; its value is `[B, F]`.
        example: A batch to look at the model with.
        steps: T.
        hidden_features: Width of the update's two hidden layers.
        errors: A network from prediction errors `[B, E]`, all observed sites side by side, to what
            the update is told of them `[B, G]`; `None` leaves them out.
        num_particles: Draws a datum for each slope, in mirrored pairs.

    Raises:
        ProgramError: If errors are wanted of a site whose distribution has no mean.

    References:
        Iterative Amortized Inference, Joseph Marino, Yisong Yue, Stephan Mandt, 2018.
        https://arxiv.org/abs/1807.09356

    Example:
        >>> import dgmppl
        >>> from dgmppl.guides import Iterative
        >>> from dgmppl.models.vae import VAE
        >>> program, x = VAE(data_dim=6, z_dim=2), torch.ones(5, 6)
        >>> guide = Iterative(program, nn.Linear(6, 8), x, steps=3, errors=nn.Linear(6, 4))
        >>> len(guide.path(x)), dgmppl.weights(program.with_guide(guide), x).log_q["z"].shape
        (4, torch.Size([1, 5]))
    """

    def __init__(
        self,
        program: nn.Module,
        features: nn.Module,
        example: Any,
        *,
        steps: int = 5,
        hidden_features: int = 200,
        errors: nn.Module | None = None,
        num_particles: int = 2,
    ):
        super().__init__(program, features, example, steps=steps, num_particles=num_particles)
        self.errors = errors
        weight, context = self.start.weight, self.start.in_features
        if errors is not None:
            with torch.no_grad(), evaluating(errors):
                told = errors(weight.new_zeros(1, errors_size(self.bound.binding)))
            context += told.shape[-1]
        self.update = Update(len(weight), context, hidden_features).to(weight)

    def _context(self, features: Tensor, tables: Weights) -> Tensor:
        """What the update is told beside λ and its slope, `[B, …]`."""
        if self.errors is None:
            return features
        errors = self.errors(prediction_errors(tables).detach())
        return torch.cat([features, layer_norm(errors, errors.shape[-1:])], -1)

    def refine(self, x: Any, features: Tensor, start: Tensor) -> list[Tensor]:
        """λ at the start and after every step, each `[B, 2 D]`."""
        path, last = [start], start.new_full((len(start), 1), self.steps)
        if self.training:
            last = 1 + (self.steps * torch.rand_like(last)).floor()
        for step in range(self.steps):
            with torch.no_grad():
                slope, tables = self.bound.slope(x, path[-1])
            moved = self.update(path[-1], slope, self._context(features, tables))
            path.append(torch.where(step < last, moved, path[-1]))
        return path

    def extra_repr(self) -> str:
        """The settings."""
        return f"steps={self.steps}"
