"""An amortised guess refined by gradient ascent on each datum's own bound."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.guides.refined import Refined

__all__ = ["SemiAmortized"]


class SemiAmortized(Refined):
    """q(z | x) after K steps of gradient ascent from an amortised start.

    λ_0 = W h(x) + w,   v_{k+1} = γ v_k + ∇_λ L(λ_k; x),   λ_{k+1} = λ_k + ρ v_{k+1}

    with L the evidence lower bound of the one datum x and the slope's length clipped. The steps are
    differentiated through, by the guide's parameters and by the model's: the start learns to be a
    good place to climb from, and the model's parameters take part in the guide. So objectives that
    move model and guide apart (wake–sleep) refuse it.

    Arguments:
        program: A program with continuous latent sites inside its data plate; its own guide, if
            any, is ignored.
        features: A network called with the batch as the guide is; its value is `[B, F]`.
        example: A batch to look at the model with.
        steps: K.
        rate: ρ; stable below 2 / (largest curvature of log p(x, z)).
        momentum: γ.
        clip: Longest slope of a datum.
        num_particles: Draws a datum for each slope, in mirrored pairs.

    References:
        Semi-Amortized Variational Autoencoders, Yoon Kim, Sam Wiseman, Andrew Miller, David Sontag,
        Alexander Rush, 2018. https://arxiv.org/abs/1802.02550
        Iterative Refinement of the Approximate Posterior for Directed Belief Networks, Devon Hjelm
        et al., 2015. https://arxiv.org/abs/1511.06382
        On the challenges of learning with inference networks on sparse, high-dimensional data,
        Rahul Krishnan, Dawen Liang, Matthew Hoffman, 2018. https://arxiv.org/abs/1710.06085

    Example:
        >>> import dgmppl
        >>> from dgmppl.guides import SemiAmortized
        >>> from dgmppl.models.vae import VAE
        >>> program, x = VAE(data_dim=6, z_dim=2), torch.ones(5, 6)
        >>> guide = SemiAmortized(program, nn.Linear(6, 8), x, steps=3)
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
        rate: float = 0.05,
        momentum: float = 0.5,
        clip: float = 5.0,
        num_particles: int = 2,
    ):
        super().__init__(program, features, example, steps=steps, num_particles=num_particles)
        self.rate, self.momentum, self.clip = rate, momentum, clip

    def refine(self, x: Any, features: Tensor, start: Tensor) -> list[Tensor]:
        """λ at the start and after every step, each `[B, 2 D]`."""
        path, velocity = [start], torch.zeros_like(start)
        for _ in range(self.steps):
            slope, _ = self.bound.slope(x, path[-1])
            length = slope.norm(dim=-1, keepdim=True).clamp(min=self.clip)
            velocity = self.momentum * velocity + slope * (self.clip / length)
            path.append(path[-1] + self.rate * velocity)
        return path

    def extra_repr(self) -> str:
        """The settings."""
        return f"steps={self.steps}, rate={self.rate}, momentum={self.momentum}, clip={self.clip}"
