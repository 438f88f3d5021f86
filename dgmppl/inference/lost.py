"""A process that is gone: who it was, and what the others tell the user."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from torch.distributed.distributed_c10d import Store

from dgmppl.inference.checkpoint import read_checkpoint

if TYPE_CHECKING:
    from dgmppl.inference.learner import Learner

__all__ = ["LostProcessError", "farewell", "located", "roll_call"]

#: Seconds that the others are given to notice, and the one more where all but one have answered.
PATIENCE, GRACE = 5.0, 1.0


class LostProcessError(ConnectionError):
    """Another process was killed, failed, or cannot be reached.

    Arguments:
        missing: Rank → what it said of its end, "" where it said nothing.
        rank: This process.
        size: How many there were.
        when: Where learning stood.
        cure: What can be done.

    Attributes:
        speaks: Whether no process of a lower rank is left to tell the user.
    """

    def __init__(
        self, missing: dict[int, str], rank: int, size: int, when: str = "", cure: str = ""
    ):
        self.missing, self.rank, self.size = missing, rank, size
        self.speaks = all(missing.get(other) == "" for other in range(rank))
        who = " and ".join(str(other) for other in missing)
        what, verb = ("Process", "was") if len(missing) == 1 else ("Processes", "were")
        reason = "; ".join(dict.fromkeys(text for text in missing.values() if text))
        told = f" ({reason})" if reason else ""
        super().__init__(f"{what} {who} of {size} {verb} lost{when}{told}.{cure}")


def farewell(store: Store, rank: int, error: BaseException) -> None:
    """Leaves word of why a process ends, for those that will miss it."""
    with suppress(RuntimeError):  # of a store that is gone, too
        text = str(error).partition("\n")[0]
        store.set(f"farewell {rank}", f"{type(error).__name__}: {text}")


def roll_call(store: Store | None, rank: int, size: int) -> dict[int, str]:
    """Who is missing, and what they said; nobody where the failure was another one.

    Arguments:
        store: Shared by the processes. Without it only a pair knows whom it misses.
        rank: This process.
        size: How many there are.
    """
    others = [other for other in range(size) if other != rank]
    missing = dict.fromkeys(others, "") if size == 2 else {}
    if store is None:
        return missing
    missing = {0: ""} if rank else missing  # where the store is gone, too, process 0 kept it
    with suppress(RuntimeError):
        store.set(f"present {rank}", "")
        began = time.monotonic()
        while others:
            waited = time.monotonic() - began
            if waited > PATIENCE or (len(others) == 1 and waited > GRACE):
                break
            others = [other for other in others if not store.check([f"present {other}"])]
            time.sleep(0.05)
        left = {other: f"farewell {other}" for other in others}
        missing = {o: store.get(n).decode() if store.check([n]) else "" for o, n in left.items()}
    return missing


@contextmanager
def located(learner: Learner, directory: Path | None) -> Iterator[None]:
    """Adds to a loss where learning stood, and from where it can go on."""
    try:
        yield
    except LostProcessError as lost:
        run = getattr(learner, "run", None)  # none before the first step
        when = " before the first step" if run is None else f" at step {run.step}"
        raise LostProcessError(
            lost.missing, lost.rank, lost.size, when, f" {_cure(directory)}"
        ) from lost.__cause__


def _cure(directory: Path | None) -> str:
    path = None if directory is None else directory / "last.safetensors"
    if path is None or not path.exists():
        return "There is no checkpoint here. Try fit(…, directory=…), to be able to resume."
    step = read_checkpoint(path)["position"][2]
    return (
        f"The last checkpoint in {directory} is from step {step}. Try the same command with "
        "resume=True (--resume), by any number of processes."
    )
