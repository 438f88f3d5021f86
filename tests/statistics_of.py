"""Means of random estimates with their errors, for tests that compare them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dgmppl.binding import Binding, bind
from dgmppl.objectives import Objective, Progress

__all__ = ["agree", "exact_gradient", "gradients", "mean_and_error", "values"]


def values(
    objective: Objective, program: Any, x: Any, rounds: int, size: int | None = None
) -> Tensor:
    """Independent values of a bound, `[rounds]`."""
    binding = bind(program, x)
    progress = Progress(size=size)
    with torch.no_grad():
        return torch.stack([objective.value(binding, x, progress) for _ in range(rounds)])


def gradients(
    objective: Objective, program: Any, x: Any, rounds: int, progress: Progress | None = None
) -> Tensor:
    """Independent gradients of a bound (to be raised) by all parameters, `[rounds, P]`."""
    binding = program if isinstance(program, Binding) else bind(program, x)
    parameters = list(binding.program.parameters())
    loss = objective.phases(binding)[0].loss
    rows = []
    for _ in range(rounds):
        surrogate = -loss(binding, x, progress or Progress()).surrogate
        grads = torch.autograd.grad(surrogate, parameters, allow_unused=True)
        rows.append(flat(grads, parameters))
    return torch.stack(rows)


def flat(grads: Any, parameters: Any) -> Tensor:
    """Gradients in a row, zero where there is none."""
    pairs = zip(grads, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])


def exact_gradient(value: Tensor, program: Any) -> Tensor:
    """The gradient of a closed form by all parameters, `[P]`."""
    parameters = list(program.parameters())
    return flat(torch.autograd.grad(value, parameters, allow_unused=True), parameters)


def mean_and_error(draws: Tensor) -> tuple[Tensor, Tensor]:
    """The mean over the first dimension and its standard error."""
    return draws.mean(0), draws.std(0) / len(draws) ** 0.5


def agree(draws: Tensor, truth: Tensor, errors: float = 4.0) -> None:
    """Asserts that the mean of draws is the mean of others, or a number, within standard errors."""
    mean, error = mean_and_error(draws)
    if truth.shape == draws.shape or truth.dim() == draws.dim():
        truth, other = mean_and_error(truth)
        error = (error**2 + other**2).sqrt()
    distance = (mean - truth).abs() / (error + 1e-12)
    close = (mean - truth).abs() < 1e-9
    worst = distance[~close].max() if bool((~close).any()) else torch.zeros(())
    assert worst < errors, f"{worst:.1f} standard errors apart: {mean} and {truth}, error {error}"
