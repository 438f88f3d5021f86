"""Adam's fused kernel, called with lists that are made once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.optimizer import (
    _global_optimizer_post_hooks,
    _global_optimizer_pre_hooks,
)

__all__ = ["DirectAdam"]

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class DirectAdam:
    """Steps of a fused Adam or AdamW: the same numbers as by its own `step`, in less time.

    `torch.optim` sorts parameters by device and type, gathers their moments and looks at settings
    anew in every step, which takes longer than the arithmetic of a small program. Here the lists
    are kept until the optimizer's state becomes another; settings, such as learning rates, are
    read at each step.

    Arguments:
        optimizer: Any; `step` refuses what it cannot serve.
    """

    def __init__(self, optimizer: Optimizer):
        self.optimizer = optimizer
        self.kernel = _kernel(optimizer)
        self.state: Any = None
        self.lists: list[tuple[list[Tensor], ...]] = []

    @torch.no_grad()
    def step(self) -> bool:
        """One step along the parameters' `grad`; whether it was taken.

        The first step of a state, which makes the moments, is the optimizer's own.
        """
        if self.kernel is None or not self._ready():
            return False
        for group, (parameters, first, second, steps) in zip(
            self.optimizer.param_groups, self.lists, strict=True
        ):
            gradients = [parameter.grad for parameter in parameters]
            torch._foreach_add_(steps, 1)
            beta1, beta2 = group["betas"]
            self.kernel(
                parameters,
                gradients,
                first,
                second,
                [],
                steps,
                lr=group["lr"],
                beta1=beta1,
                beta2=beta2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=group["maximize"],
            )
        self.optimizer._opt_called = True  # type: ignore[attr-defined]  # schedules ask for it
        return True

    def _ready(self) -> bool:
        """Whether every parameter has moments and a gradient, and no hook wants to take part."""
        optimizer = self.optimizer
        hooks = (
            optimizer._optimizer_step_pre_hooks,
            optimizer._optimizer_step_post_hooks,
            _global_optimizer_pre_hooks,
            _global_optimizer_post_hooks,
        )
        if any(hooks) or any(group["amsgrad"] for group in optimizer.param_groups):
            return False
        if self.state is not optimizer.state and not self._gather():
            return False
        return all(p.grad is not None for parameters, *_ in self.lists for p in parameters)

    def _gather(self) -> bool:
        """Makes the lists, if there are moments of every parameter."""
        state = self.optimizer.state
        groups = [group["params"] for group in self.optimizer.param_groups]
        if any(
            len(state.get(parameter, ())) < len(_MOMENTS) for own in groups for parameter in own
        ):
            return False
        self.lists = [
            (own, *([state[parameter][name] for parameter in own] for name in _MOMENTS))
            for own in groups
        ]
        self.state = state
        return True


def _kernel(optimizer: Optimizer) -> Any:
    """PyTorch's operation, or `None` where it would not be the optimizer's own."""
    if type(optimizer) not in (Adam, AdamW):
        return None
    for group in optimizer.param_groups:
        kinds = {(parameter.dtype, parameter.device) for parameter in group["params"]}
        if not group["fused"] or group["differentiable"] or len(kinds) != 1:
            return None
        if any(isinstance(value, Tensor) for value in group["betas"]):
            return None
    return torch._fused_adamw_ if type(optimizer) is AdamW else torch._fused_adam_
