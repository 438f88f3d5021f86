"""A price for the critic's slope at points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from dgmppl.adversarial.regularizer import Judge, Regularizer

__all__ = ["R1", "R2", "GradientPenalty"]


@dataclass(frozen=True)
class GradientPenalty(Regularizer):
    """λ E[(‖∇T‖ − target)²], a norm for each datum by itself.

    With `at="between"` a datum's point lies at random on the line from data to draws, at a place of
    its own. Where the critic judges several sites, the slope is by all of them together; sites of
    whole numbers stay where the data are.

    Arguments:
        weight: λ.
        target: The slope that costs nothing.
        one_sided: Whether smaller slopes cost nothing either.
        at: "between" data and draws, at the "data", or at the "draws".

    References:
        Improved Training of Wasserstein GANs, Ishaan Gulrajani et al., 2017.
        https://arxiv.org/abs/1704.00028 On the Regularization of Wasserstein GANs, Henning Petzka,
        Asja Fischer, Denis Lukovnikov, 2017. https://arxiv.org/abs/1709.08894
    """

    weight: float = 10.0
    target: float = 1.0
    one_sided: bool = False
    at: Literal["between", "data", "draws"] = "between"

    def __post_init__(self) -> None:
        if self.weight < 0 or self.target < 0:
            raise ValueError(
                f"Expected a weight and a target of at least 0, got {self.weight} and "
                f"{self.target}. Try GradientPenalty(10.0)."
            )
        if self.at not in ("between", "data", "draws"):
            raise ValueError(f"Expected at='between', 'data' or 'draws', got '{self.at}'.")

    def penalty(
        self, judge: Judge, data: tuple[Tensor, ...], draws: tuple[Tensor, ...]
    ) -> Tensor | None:
        """The price; nothing where no gradients are taken."""
        if not torch.is_grad_enabled():
            return None
        points = self._points(data, draws)
        slopes = torch.autograd.grad(
            judge(points).sum(), [p for p in points if p.requires_grad], create_graph=True
        )
        squares = torch.stack([slope.flatten(1).square().sum(1) for slope in slopes]).sum(0)
        if self.target == 0:
            return self.weight * squares.mean()
        excess = (squares + 1e-12).sqrt() - self.target
        return self.weight * (excess.clamp(min=0.0) if self.one_sided else excess).square().mean()

    def _points(self, data: tuple[Tensor, ...], draws: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Where slopes are taken, `[B, …]` each, as fresh leaves."""
        share = torch.rand(len(data[0]), device=data[0].device)
        if self.at != "between":
            share = torch.full_like(share, float(self.at == "draws"))
        points = []
        for real, drawn in zip(data, draws, strict=True):
            if not real.is_floating_point():
                points.append(real)
                continue
            s = share.to(real).reshape(-1, *[1] * (real.dim() - 1))
            points.append(torch.lerp(real.detach(), drawn.detach(), s).requires_grad_())
        return tuple(points)


@dataclass(frozen=True)
class R1(GradientPenalty):
    """λ E_data‖∇T‖²: with it the game converges where data lie on a manifold.

    References:
        Which Training Methods for GANs do actually Converge?, Lars Mescheder, Andreas Geiger,
        Sebastian Nowozin, 2018. https://arxiv.org/abs/1801.04406
    """

    target: float = 0.0
    at: Literal["between", "data", "draws"] = "data"


@dataclass(frozen=True)
class R2(GradientPenalty):
    """λ E_draws‖∇T‖²: the same at the draws."""

    target: float = 0.0
    at: Literal["between", "data", "draws"] = "draws"
