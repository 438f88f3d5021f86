"""Where a run stands, taken down and taken up again to the bit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from torch import Tensor

import dgmppl.randomness as randomness
from dgmppl.inference.checkpoint import CheckpointError, load_parameters

if TYPE_CHECKING:
    from dgmppl.inference.learner import Learner
    from dgmppl.inference.run import Run

__all__ = ["restore_state", "state_of"]


def state_of(learner: Learner) -> dict[str, Any]:
    """Everything that the rest of a run depends on, between two steps; asked for by all."""
    run = learner.run
    first, *others = learner.processes.collect(randomness.snapshot())
    return {
        "program": dict(learner.program.state_dict()),
        "objective": {} if learner.state is None else dict(learner.state.state_dict()),
        "players": [player.state() for player in learner.players],
        "averages": {} if learner.averages is None else dict(learner.averages.means),
        "scaler": learner.scaler.state_dict(),
        "random": first,
        "others": others,
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

    The number of processes may be another one: the data are read on from where they were left, in
    the same order. A process that the run did not have begins random numbers of its own.

    Raises:
        CheckpointError: If the run was begun with another program, objective, optimizer, batch size
            or seed. Nothing has been changed then.
    """
    run = learner.run
    for name in ("objective", "batch_size", "seed", "averaging"):
        begun = state["settings"].get(name)
        if begun != run.settings[name]:
            raise CheckpointError(
                f"The run in {run.directory} was begun with {name}={begun}, now "
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
    if learner.averages is not None:
        learner.averages.load(state["averages"], state["position"][2])
    if learner.scaler.is_enabled():
        learner.scaler.load_state_dict(state["scaler"])
    run.epoch, learner.position, run.step = state["position"]
    learner.best, run.seconds = state["best"], state["seconds"]
    run.history.steps, run.history.epochs = learner.processes.first(partial(_kept, run))
    learner.ledger.load(state["sums"])
    learner.epoch_start = state["epoch_start"]
    if state["reason"]:  # a callback had ended the run: ask again
        learner.call_back()
    _restore_stream(learner, [state["random"], *state.get("others", [])])


def _kept(run: Run) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The history up to a position."""
    run.history.truncate(run.step, run.epoch)
    return run.history.steps, run.history.epochs


def _restore_stream(learner: Learner, streams: list[dict[str, Tensor]]) -> None:
    """Goes on with this process's random numbers."""
    processes, run = learner.processes, learner.run
    if processes.rank < len(streams):
        randomness.restore(streams[processes.rank])
    else:
        randomness.begin_stream(learner.seed, run.step, processes.rank)
    if len(streams) != processes.size:
        Console(stderr=True, quiet=not learner.progress).print(
            f"begun by {len(streams)} process(es), goes on with {processes.size} from step "
            f"{run.step}: the same order of data, {processes.size} × batch_size a step, other draws"
        )
