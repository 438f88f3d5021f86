"""Moves parameters along gradients: clipping, scaling, optimizers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dgmppl.inference.direct_adam import DirectAdam

__all__ = ["Mover"]


class Mover:
    """One step of one or several optimizers.

    Arguments:
        parameters: All that they move.
        optimizers: Optimizers of those parameters.
        clip_gradient: Called with the parameters before each step, or `None`.
        scaler: Scales losses where half precision needs it.
        project: Called with the parameters after each step, or `None`.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        optimizers: Sequence[Optimizer],
        clip_gradient: Callable[[list[nn.Parameter]], Any] | None,
        scaler: torch.amp.GradScaler,
        project: Callable[[Sequence[nn.Parameter]], None] | None = None,
    ):
        self.project = project
        self.parameters, self.optimizers = list(parameters), list(optimizers)
        self.direct = [DirectAdam(optimizer) for optimizer in self.optimizers]
        self.clip_gradient, self.scaler = clip_gradient, scaler

    def __call__(self, gradients: Sequence[Tensor | None]) -> None:
        """One step along a gradient for each parameter; none of them is kept."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = _laid_out_like(parameter, gradient)
        if self.clip_gradient is not None:
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
            self.clip_gradient(self.parameters)
        self._step()
        for parameter in self.parameters:
            parameter.grad = None
        if self.project is not None:
            with torch.no_grad():
                self.project(self.parameters)

    def _step(self) -> None:
        """Of every optimizer, along the gradients that the parameters hold."""
        if self.scaler.is_enabled():
            for optimizer in self.optimizers:
                self.scaler.step(optimizer)
            self.scaler.update()
            return
        for direct in self.direct:
            if not direct.step():
                direct.optimizer.step()

    def capturable(self) -> bool:
        """Has the optimizers keep their numbers on the GPU, so that a CUDA graph can hold a step.

        Returns:
            Whether they can; if not, nothing is changed.
        """
        groups = [group for each in self.optimizers for group in each.param_groups]
        served = all("capturable" in group or group.get("fused") for group in groups)
        if self.scaler.is_enabled() or not served:
            return False
        for optimizer in self.optimizers:
            # also the smaller last batch's steps, outside of any graph, are meant
            optimizer._warned_capturable_if_run_uncaptured = True
            for group in optimizer.param_groups:
                device = group["params"][0].device
                group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=device)
                if "capturable" in group:
                    group["capturable"] = True
            for parameter, state in optimizer.state.items():
                if isinstance(state.get("step"), Tensor):
                    state["step"] = state["step"].to(parameter.device)
        return True

    def memory(self) -> list[Tensor]:
        """What the optimizers keep beside the parameters."""
        states = [kept for each in self.optimizers for kept in each.state.values()]
        return [value for kept in states for value in kept.values() if isinstance(value, Tensor)]

    def fixed(self) -> tuple[Any, ...]:
        """The optimizers' settings, tensors among them as themselves: something comparable."""
        settings = [
            tuple([value for name, value in group.items() if name != "params"])
            for optimizer in self.optimizers
            for group in optimizer.param_groups
        ]
        return *settings, *[id(optimizer.state) for optimizer in self.optimizers]

    def state(self) -> list[dict[str, Any]]:
        """The optimizers' states, for a checkpoint that any device can read."""
        return [_portable(optimizer.state_dict()) for optimizer in self.optimizers]

    def load(self, states: Sequence[dict[str, Any]]) -> None:
        """Continues from a checkpoint's states."""
        for optimizer, part in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(part)
            for parameter, kept in optimizer.state.items():
                for name, value in kept.items():
                    kept[name] = _laid_out_like(parameter, value)


def _portable(state: dict[str, Any]) -> dict[str, Any]:
    """Settings as they were before `Mover.capturable`."""
    groups = [dict(group) for group in state["param_groups"]]
    for group in groups:
        if isinstance(group["lr"], Tensor):
            group["lr"] = float(group["lr"])
        if "capturable" in group:
            group["capturable"] = False
    return state | {"param_groups": groups}


def _laid_out_like(parameter: Tensor, value: Any) -> Any:
    """The same numbers in the parameter's order in memory, which fused kernels do not look at."""
    if not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    if value.stride() == parameter.stride():
        return value
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
