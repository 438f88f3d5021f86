"""The gallery's GAN on points in the plane: the game with the non-saturating loss, and WGAN-GP."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from dgmppl.adversarial import GradientPenalty, Wasserstein
from dgmppl.models.gan import GAN
from dgmppl.objectives import Adversarial

from ..games import game_makers
from ..layers import Dense, mlp_layers
from ..workload import Workload

__all__ = ["gan", "wgan_gp"]

PIECES, WEIGHT = 5, 1.0


def gan(batch: int, generator: int = 128, critic: int = 64) -> Workload:
    """One move of each player at one size of batch."""
    program = partial(GAN, 2, 2, generator, critic)
    return Workload(
        name=f"gan-{batch}",
        about=f"GAN in the plane, widths {generator} and {critic} × 5 maxout, batch {batch}",
        shape=(batch, 2),
        program=program,
        makers=game_makers(
            program, critic=_critic, generator=_generator, objective=Adversarial("x")
        ),
        layers=(
            *_generates(batch, generator, moving=False),
            *_judges(batch, critic, input_gradient=False),
            *_judges(batch, critic, input_gradient=False),
            *_generates(batch, generator, moving=True),
            *_judges(batch, critic, weight_gradient=False),
        ),
        block=50,
    )


def wgan_gp(batch: int, generator: int = 128, critic: int = 64) -> Workload:
    """The same with the Wasserstein loss and a gradient penalty; one move of each player."""
    program = partial(GAN, 2, 2, generator, critic)
    objective = Adversarial("x", Wasserstein(), GradientPenalty(WEIGHT))
    return Workload(
        name=f"wgan-gp-{batch}",
        about=f"WGAN-GP in the plane, widths {generator} and {critic} × 5 maxout, batch {batch}",
        shape=(batch, 2),
        program=program,
        makers=game_makers(
            program,
            critic=_penalised,
            generator=_wasserstein_generator,
            objective=objective,
        ),
        layers=(
            *_generates(batch, generator, moving=False),
            *_judges(batch, critic, input_gradient=False),
            *_judges(batch, critic, input_gradient=False),
            # the gradient at the mixtures, and the gradient of its norm
            *_judges(batch, critic),
            *_judges(batch, critic, weight_gradient=False, input_gradient=False)[:-1],
            *_generates(batch, generator, moving=True),
            *_judges(batch, critic, weight_gradient=False),
        ),
        block=50,
    )


def _generates(batch: int, width: int, *, moving: bool) -> tuple[Dense, ...]:
    return mlp_layers(batch, 2, width, width, 2, input_gradient=False, gradients=moving)


def _judges(
    batch: int, width: int, *, input_gradient: bool = True, weight_gradient: bool = True
) -> tuple[Dense, ...]:
    sizes = [(2, PIECES * width), (width, PIECES * width), (width, PIECES * width), (width, 1)]
    none = not (input_gradient or weight_gradient)
    return tuple(
        Dense(batch, a, b, not none and (input_gradient or i > 0), weight_gradient)
        for i, (a, b) in enumerate(sizes)
    )


def _drawn(program: nn.Module, x: Tensor) -> Tensor:
    drawn: Tensor = program.generator(torch.randn(len(x), 2, device=x.device))
    return drawn


def _critic(program: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        drawn = _drawn(program, x)
    lost = softplus(-program.critic(x)).mean() + softplus(program.critic(drawn)).mean()
    return lost, math.log(2.0) - 0.5 * lost


def _generator(program: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    lost = softplus(-program.critic(_drawn(program, x))).mean()
    return lost, lost


def _penalised(program: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        drawn = _drawn(program, x)
    distance = program.critic(x).mean() - program.critic(drawn).mean()
    share = torch.rand(len(x), 1, device=x.device)
    mixed = torch.lerp(x, drawn, share).requires_grad_()
    (slope,) = torch.autograd.grad(program.critic(mixed).sum(), mixed, create_graph=True)
    penalty = WEIGHT * (slope.norm(dim=1) - 1).square().mean()
    return penalty - distance, distance


def _wasserstein_generator(program: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    lost = -program.critic(_drawn(program, x)).mean()
    return lost, lost
