"""One player of a game: a phase, its parameters and its optimizer."""

from __future__ import annotations

import warnings
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
from dgmppl.inference.mover import Mover
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
        self.phase, self.binding, self.scaler, self.amp = phase, binding, scaler, amp
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
        optimizers = [fuse(each, binding.program) for each in self._optimizers(binding, optimizer)]
        self.mover = Mover(self.parameters, optimizers, clip_gradient, scaler, phase.project)
        self.schedules = [schedule(each) for each in optimizers] if schedule else []

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
        self,
        backends: Sequence[Backend],
        *,
        strict: bool,
        say: Callable[[str], None],
        alone: bool = True,
    ) -> None:
        """Runs the phase as graphs from now on; on a GPU, with its move in them where that can be.

        Arguments:
            backends: As of `Graphs`.
            strict: Likewise.
            say: Likewise.
            alone: Whether the gradient is this process's only.
        """
        name = self.phase.name
        self.graphs = LoweredPhase(
            self._estimate,
            self.modules,
            backends,
            strict=strict,
            say=lambda text: say(f"{name}: {text}"),
            dtype=self.amp,
            mover=self.mover if alone and self.phase.gradient else None,
        )

    def estimate(self, x: Any, progress: Progress) -> Estimate:
        """The phase's numbers and gradients on a batch; a compiled phase may have moved already."""
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
        """One optimizer step, unless the estimate has taken it; the gradients are gone afterwards.

        Arguments:
            estimate: This process's.
            processes: Whose gradients are averaged.
            weight: This process's share of the step's data.
        """
        if self.phase.gradient and not estimate.moved:
            self.mover(processes.average(self.parameters, estimate.gradients, weight))

    def end_epoch(self, value: float) -> None:
        """Advances the learning-rate schedules.

        Arguments:
            value: The bound, on validation data where there are some; `ReduceLROnPlateau` is given
                its negative, which falls as learning goes on.
        """
        for schedule in self.schedules:
            if isinstance(schedule, ReduceLROnPlateau):
                schedule.step(-value)
                continue
            with warnings.catch_warnings():  # a player that waits for others may not have moved yet
                warnings.filterwarnings("ignore", r"Detected call of `lr_scheduler.step\(\)`")
                schedule.step()

    def state(self) -> dict[str, Any]:
        """Optimizers and schedules, for a checkpoint."""
        return {
            "kinds": self._kinds(),
            "optimizers": self.mover.state(),
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
        self.mover.load(state["optimizers"])
        for schedule, part in zip(self.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(part)

    def _kinds(self) -> list[str]:
        return [type(each).__name__ for each in (*self.mover.optimizers, *self.schedules)]


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """A scheduler's state without functions, which no checkpoint can hold."""
    kept = (int, float, bool, str, list, tuple, dict, type(None), Tensor)
    return {name: value for name, value in state.items() if isinstance(value, kept)}
