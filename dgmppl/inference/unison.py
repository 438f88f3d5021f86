"""Makes processes begin alike: the same parameters, and draws of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import Tensor, nn

from dgmppl.objectives.objective import ObjectiveError, Phase
from dgmppl.randomness import begin_stream

if TYPE_CHECKING:
    from dgmppl.inference.learner import Learner

__all__ = ["same_start"]


def same_start(learner: Learner) -> None:
    """Hands process 0's parameters and buffers to all, and each process its own random numbers.

    Process 0 goes on with those that it would have alone.

    Raises:
        ObjectiveError: If a phase sets parameters in closed form, from one process's data.
    """
    processes = learner.processes
    for player in learner.players if processes.size > 1 else []:
        _refuse_closed_form(learner, player.phase)
    processes.spread(_held(learner.program, learner.state))
    if not processes.is_first:
        begin_stream(learner.seed, 0, processes.rank)


def _held(*modules: nn.Module | None) -> Iterator[Tensor]:
    for module in modules:
        if module is not None:
            yield from module.parameters()
            yield from module.buffers()


def _refuse_closed_form(learner: Learner, phase: Phase) -> None:
    if not phase.gradient and learner.binding.parameters(phase.roles):
        raise ObjectiveError(
            f"The phase '{phase.name}' sets parameters in closed form from the data it sees, which "
            f"are one of {learner.processes.size} parts here. Try one process, or an objective "
            "that follows gradients, which are averaged."
        )
