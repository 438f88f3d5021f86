"""Score matching: the slope of log p, in which log Z has no part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dgmppl.binding import Binding
from dgmppl.energy import EnergyError, machine_of
from dgmppl.objectives.contrastive import clamped, refuse_without_units
from dgmppl.objectives.objective import Loss, Objective, Phase, Progress

__all__ = ["ScoreMatching"]


@dataclass(frozen=True)
class ScoreMatching(Objective):
    """−E_data[½‖s(x)‖² + tr ∂s/∂x], s = ∂ log p/∂x: the Fisher divergence, up to a constant.

    Hidden layers that are independent of each other are summed out of p. Without noise the trace is
    estimated by random signs (sliced score matching); with noise of scale σ the slope at x + σε is
    learned to be −ε/σ (denoising): what is learned then is the density of noisy data.

    Arguments:
        noise: σ, or 0.

    References:
        Estimation of Non-Normalized Statistical Models by Score Matching, Aapo Hyvärinen, 2005.
        https://jmlr.org/papers/v6/hyvarinen05a.html A Connection between Score Matching and
        Denoising Autoencoders, Pascal Vincent, 2011. https://doi.org/10.1162/NECO_a_00142 Sliced
        Score Matching, Yang Song et al., 2019. https://arxiv.org/abs/1905.07088

    Example:
        >>> print(ScoreMatching(noise=0.1))
        −½ E‖∂ log p(x + 0.1ε) + ε/0.1‖²
    """

    noise: float = 0.0
    measure = "score"

    def __post_init__(self) -> None:
        if self.noise < 0:
            raise ValueError(f"Expected noise of at least 0, got {self.noise}. Try 0.1.")

    def phases(self, binding: Binding) -> tuple[Phase, ...]:
        """One player: the model."""
        return (Phase(("model",), self.loss),)

    def check(self, binding: Binding) -> None:
        """Units that the data give."""
        refuse_without_units(binding, type(self).__name__)

    def state(self, binding: Binding, x: Any) -> nn.Module | None:
        """Looks at the energy: real visible units, and hidden ones that can be summed."""
        machine = machine_of(binding.program, x)
        data = clamped(binding, x)
        machine.check_states(data)
        if whole := [n for n in data if not machine.layers[n].real]:
            raise EnergyError(
                f"ScoreMatching needs real visible units; site '{whole[0]}' has "
                f"{type(machine.layers[whole[0]]).__name__} units. Try ContrastiveDivergence()."
            )
        hidden = [n for n in machine.layers if n not in data]
        if not machine.independent(hidden):
            raise EnergyError(
                f"ScoreMatching needs hidden layers that are independent of each other given the "
                f"data; of {hidden} some interact. Try VariationalMaximumLikelihood()."
            )
        return None

    def loss(self, binding: Binding, x: Any, progress: Progress) -> Loss:
        """The divergence, of all visible layers together."""
        machine, data = machine_of(binding.program, x), clamped(binding, x)
        hidden = [n for n in machine.layers if n not in data]
        noise = {n: torch.randn_like(value) for n, value in data.items()} if self.noise else {}
        with torch.enable_grad():
            at = {
                n: (value + self.noise * noise[n] if noise else value).detach().requires_grad_()
                for n, value in data.items()
            }
            log_p = machine.marginal(machine.filled(at), hidden, x)
            slopes = _grad(log_p, [*at.values()])
        if noise:
            gaps = [s + e / self.noise for s, e in zip(slopes, noise.values(), strict=True)]
            loss = 0.5 * _sum([gap.square() for gap in gaps])
        else:
            signs = [2.0 * torch.bernoulli(torch.full_like(s, 0.5)) - 1.0 for s in slopes]
            along = _sum([sign * slope for sign, slope in zip(signs, slopes, strict=True)])
            bends = _grad(along, [*at.values()])
            trace = _sum([sign * bend for sign, bend in zip(signs, bends, strict=True)])
            loss = trace + 0.5 * _sum([slope.square() for slope in slopes])
        return Loss(loss.mean(), -loss.mean().detach(), {})

    @property
    def formula(self) -> str:
        """The divergence."""
        if self.noise:
            return f"−½ E‖∂ log p(x + {self.noise:g}ε) + ε/{self.noise:g}‖²"
        return "−E[½‖∂ log p(x)‖² + tr ∂² log p(x)]"

    @property
    def latex(self) -> str:
        """The divergence."""
        if self.noise:
            return (
                rf"-\tfrac12\mathbb{{E}}\|\nabla\log p(x+{self.noise:g}\epsilon)"
                rf"+\epsilon/{self.noise:g}\|^2"
            )
        return r"-\mathbb{E}[\tfrac12\|\nabla\log p(x)\|^2+\mathrm{tr}\nabla^2\log p(x)]"


def _grad(values: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    """Slopes of `[B]` values at `[B, …]` leaves, which gradients pass through."""
    return torch.autograd.grad(
        values,
        leaves,
        grad_outputs=torch.ones_like(values.detach()),
        create_graph=True,
        materialize_grads=True,
        allow_unused=True,
    )


def _sum(parts: list[Tensor]) -> Tensor:
    """Of everything but the rows, `[B]`."""
    return torch.stack([part.flatten(1).sum(1) for part in parts]).sum(0)
