"""Where a run stands, taken down and taken up again to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dgmppl.inference.randomness as randomness
from dgmppl.inference.checkpoint import CheckpointError, load_parameters

if TYPE_CHECKING:
    from dgmppl.inference.learner import Learner

__all__ = ["restore_state", "state_of"]


def state_of(learner: Learner) -> dict[str, Any]:
    """Everything that the rest of a run depends on, between two steps."""
    run = learner.run
    return {
        "program": dict(learner.program.state_dict()),
        "objective": {} if learner.state is None else dict(learner.state.state_dict()),
        "players": [player.state() for player in learner.players],
        "scaler": learner.scaler.state_dict(),
        "random": randomness.snapshot(),
        "epoch_start": learner.epoch_start,
        "sums": learner.ledger.state(),
        "position": [run.epoch, learner.position, run.step],
        "best": learner.best,
        "seconds": run.seconds,
        "reason": run.reason,
        "settings": run.settings,
    }


def restore_state(learner: Learner, state: dict[str, Any]) -> None:
    """Puts a learner where `state_of` was called.

    Raises:
        CheckpointError: If the run was begun with another program, objective, optimizer, batch size
            or seed. Nothing has been changed then.
    """
    run = learner.run
    for name in ("objective", "batch_size", "seed"):
        if state["settings"][name] != run.settings[name]:
            raise CheckpointError(
                f"The run in {run.directory} was begun with {name}={state['settings'][name]}, now "
                f"it is {run.settings[name]}. Try the same setting, or another directory."
            )
    pairs = list(zip(learner.players, state["players"], strict=True))
    for player, part in pairs:
        player.check(part)
    load_parameters(learner.program, state["program"], f"The checkpoint in {run.directory}")
    if learner.state is not None:
        load_parameters(learner.state, state["objective"], "The objective's checkpoint")
    for player, part in pairs:
        player.load(part)
    if learner.scaler.is_enabled():
        learner.scaler.load_state_dict(state["scaler"])
    run.epoch, learner.position, run.step = state["position"]
    learner.best, run.seconds = state["best"], state["seconds"]
    run.history.truncate(run.step, run.epoch)
    learner.ledger.load(state["sums"])
    learner.epoch_start = state["epoch_start"]
    if state["reason"]:  # a callback had ended the run: ask again
        learner.call_back()
    randomness.restore(state["random"])
