"""One player of a game: a phase, its parameters and its optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from dgmppl.binding import Binding
from dgmppl.inference.checkpoint import CheckpointError
from dgmppl.inference.estimate import Estimate
from dgmppl.inference.fused import fuse
from dgmppl.inference.lowered_phase import LoweredPhase
from dgmppl.inference.processes import ALONE, Processes
from dgmppl.lowering import Backend, slots
from dgmppl.objectives.objective import Loss, ObjectiveError, Phase, Progress
from dgmppl.traces import module_device

__all__ = ["Player"]

OptimizerFactory = Callable[[Any], torch.optim.Optimizer]


class Player:
    """Moves the parameters of a phase's roles along the surrogate's gradient, and no others.

    Arguments:
        phase: The phase.
        binding: The program.
        optimizer: Parameters → optimizer, or a mapping from role to such a callable.
        schedule: Optimizer → learning-rate scheduler, stepped once an epoch, or `None`.
        clip_gradient: Called with the parameters before each step, such as
            `partial(torch.nn.utils.clip_grad_norm_, max_norm=10.0)`.
        scaler: Scales losses where half precision needs it.
        state: What the objective keeps; its parameters move with the role "baseline".
        amp: The type of automatic mixed precision, or `None`.
    """

    def __init__(
        self,
        phase: Phase,
        binding: Binding,
        optimizer: OptimizerFactory | Mapping[str, OptimizerFactory],
        schedule: Callable[[torch.optim.Optimizer], LRScheduler] | None,
        clip_gradient: Callable[[list[nn.Parameter]], Any] | None,
        scaler: torch.amp.GradScaler,
        state: nn.Module | None = None,
        amp: torch.dtype | None = None,
    ):
        self.phase, self.binding, self.clip_gradient = phase, binding, clip_gradient
        self.scaler, self.amp = scaler, amp
        self.baseline = list(state.parameters()) if state and "baseline" in phase.roles else []
        own = list(binding.parameters(phase.roles).values()) if phase.gradient else []
        self.parameters = [*own, *self.baseline] if own else []
        if phase.gradient and not self.parameters:
            raise ObjectiveError(
                f"The phase '{phase.name}' has no parameter to move: gradients reach none from the "
                "program's sites. Known roles: "
                f"{ {role: len(names) for role, names in binding.roles.items()} }. Try "
                "nn.Parameter or nn.Module attributes used in the model or the guide."
            )
        self.modules = [binding.program, *([] if state is None else [state])]
        places = {id(tensor): slot for m in self.modules for slot, tensor in slots(m).values()}
        self.slots = [places[id(parameter)] for parameter in self.parameters]
        self.graphs: LoweredPhase | None = None
        own_optimizers = self._optimizers(binding, optimizer)
        self.optimizers = [fuse(each, binding.program) for each in own_optimizers]
        self.schedules = [schedule(each) for each in self.optimizers] if schedule else []

    def _optimizers(self, binding: Binding, optimizer: Any) -> list[torch.optim.Optimizer]:
        if not self.parameters:
            return []
        if not isinstance(optimizer, Mapping):
            return [optimizer(self.parameters)]
        taken: set[int] = set()
        result = []
        for role in self.phase.roles:
            own = [p for p in binding.parameters((role,)).values() if id(p) not in taken]
            own += self.baseline if role == "baseline" else []
            if own and role not in optimizer:
                raise ValueError(
                    f"Expected an optimizer for the role '{role}', got {sorted(optimizer)}. Try "
                    "optimizer={'model': …, 'guide': …}."
                )
            taken |= {id(p) for p in own}
            result += [optimizer[role](own)] if own else []
        return result

    def compile(
        self, backends: Sequence[Backend], *, strict: bool, say: Callable[[str], None]
    ) -> None:
        """Runs the phase as graphs from now on; the arguments are those of `LoweredPhase`."""
        name = self.phase.name
        self.graphs = LoweredPhase(
            self._estimate,
            self.modules,
            backends,
            strict=strict,
            say=lambda text: say(f"{name}: {text}"),
            dtype=self.amp,
        )

    def estimate(self, x: Any, progress: Progress) -> Estimate:
        """The phase's numbers and gradients on a batch."""
        return self.graphs(x, progress) if self.graphs else self._estimate(x, progress)

    @torch.enable_grad()
    def _estimate(self, x: Any, progress: Progress) -> Estimate:
        """By the program itself."""
        loss = self._loss(x, progress)
        if not self.phase.gradient:
            return Estimate.of(loss, ())
        surrogate: Tensor = self.scaler.scale(loss.surrogate)
        gradients = torch.autograd.grad(
            surrogate, [where[key] for where, key in self.slots], allow_unused=True
        )
        return Estimate.of(loss, gradients)

    def _loss(self, x: Any, progress: Progress) -> Loss:
        if self.amp is None:
            return self.phase.loss(self.binding, x, progress)
        with torch.autocast(module_device(self.binding.program).type, self.amp):
            return self.phase.loss(self.binding, x, progress)

    def move(self, estimate: Estimate, processes: Processes = ALONE, weight: float = 1.0) -> None:
        """One optimizer step; the gradients are gone afterwards.

        Arguments:
            estimate: This process's.
            processes: Whose gradients are averaged.
            weight: This process's share of the step's data.
        """
        if not self.phase.gradient:
            return
        gradients = processes.average(self.parameters, estimate.gradients, weight)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = _laid_out_like(parameter, gradient)
        if self.clip_gradient is not None:
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
            self.clip_gradient(self.parameters)
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        if self.scaler.is_enabled():
            self.scaler.update()
        for parameter in self.parameters:
            parameter.grad = None

    def end_epoch(self, value: float) -> None:
        """Advances the learning-rate schedules.

        Arguments:
            value: The bound, on validation data where there are some; `ReduceLROnPlateau` is given
                its negative, which falls as learning goes on.
        """
        for schedule in self.schedules:
            if isinstance(schedule, ReduceLROnPlateau):
                schedule.step(-value)
            else:
                schedule.step()

    def state(self) -> dict[str, Any]:
        """Optimizers and schedules, for a checkpoint."""
        return {
            "kinds": self._kinds(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedules": [_plain(schedule.state_dict()) for schedule in self.schedules],
        }

    def check(self, state: dict[str, Any]) -> None:
        """Raises CheckpointError if a state was written with other optimizers or schedules."""
        if state["kinds"] != self._kinds():
            raise CheckpointError(
                f"The run's phase '{self.phase.name}' was begun with {state['kinds']}, now it has "
                f"{self._kinds()}. Try the same optimizer, or another directory."
            )

    def load(self, state: dict[str, Any]) -> None:
        """Continues from a checkpoint's state."""
        for optimizer, part in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(part)
            for parameter, kept in optimizer.state.items():
                for name, value in kept.items():
                    kept[name] = _laid_out_like(parameter, value)
        for schedule, part in zip(self.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(part)

    def _kinds(self) -> list[str]:
        return [type(each).__name__ for each in (*self.optimizers, *self.schedules)]


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """A scheduler's state without functions, which no checkpoint can hold."""
    kept = (int, float, bool, str, list, tuple, dict, type(None), Tensor)
    return {name: value for name, value in state.items() if isinstance(value, kept)}


def _laid_out_like(parameter: Tensor, value: Any) -> Any:
    """The same numbers in the parameter's order in memory, which fused kernels do not look at."""
    if not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    if value.stride() == parameter.stride():
        return value
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
