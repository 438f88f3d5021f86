"""One workload: starts the contenders, checks that they agree, and lets them step by turns."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .agreement import check_agreement
from .place import ON_GPU
from .registry import PARTS, REFERENCE
from .rival import Rival
from .workload import UnavailableError, Workload

__all__ = ["Measured", "Race", "race"]


@dataclass
class Measured:
    """What one contender showed.

    Arguments:
        build: Seconds from making it to the end of its second step.
        draws: Bounds of one batch at the initial parameters.
        blocks: Milliseconds a step, a block an entry.
        cpu: The same of processor time.
        peak: Mebibytes; `None` where the system does not tell.
        kernels: Milliseconds a step that a GPU works, launches left out; `None` where unknown.
    """

    build: float = 0.0
    draws: list[float] = field(default_factory=list)
    blocks: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: float | None = None
    kernels: float | None = None


@dataclass(frozen=True)
class Race:
    """All that was measured of one workload.

    Arguments:
        workload: The workload.
        measured: Contender → what it showed.
        absent: Contender → why it did not run.
    """

    workload: Workload
    measured: dict[str, Measured]
    absent: dict[str, str]


def race(workload: Workload, contenders: Sequence[str], blocks: int, steps: int, seed: int) -> Race:
    """Measures contenders on a workload, the reference always among them.

    Arguments:
        workload: The workload.
        contenders: Their names.
        blocks: Blocks that count.
        steps: Steps in a block; the checks take as many as the workload asks for.
        seed: Of parameters, batches and noise.

    Raises:
        DisagreementError: If they do not compute the same bound.
    """
    names = [REFERENCE, *(name for name in contenders if name != REFERENCE)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        inputs = folder / "inputs.npz"
        np.savez(inputs, batches=workload.batches(seed), **workload.parameters(seed))
        rivals, measured, absent = {}, {}, {}

        def start(name: str) -> tuple[Rival, float | UnavailableError]:
            rival = Rival(workload.name, name, inputs, folder, seed + names.index(name))
            return stack.enter_context(closing(rival)), _build(rival)

        # beside a GPU there are cores for all at once; on a CPU one is built after the other
        with ThreadPoolExecutor(len(names) if ON_GPU else 1) as pool:
            for rival, build in pool.map(start, names):
                if isinstance(build, UnavailableError):
                    absent[rival.name] = str(build)
                    _say(f"{workload.name}: {rival.name} left out: {build}")
                else:
                    rivals[rival.name], measured[rival.name] = rival, Measured(build=build)
                    _say(f"{workload.name}: {rival.name} built in {build:.1f} s")
        _check(rivals, measured, workload.block)
        _alternate(rivals, measured, blocks, steps)
        for name, rival in rivals.items():
            measured[name].peak = rival.ask("peak")["mebibytes"]
            with suppress(RuntimeError):
                measured[name].kernels = rival.ask("kernels", workload.block)["milliseconds"]
    return Race(workload, measured, absent)


def _build(rival: Rival) -> float | UnavailableError:
    try:
        seconds: float = rival.ask("make")["seconds"]
        return seconds + sum(rival.ask("run", 2)["milliseconds"]) / 1e3
    except UnavailableError as reason:
        return reason
    except RuntimeError as error:
        if rival.name == REFERENCE:
            raise
        return UnavailableError(f"it failed: {str(error).splitlines()[-1]}")


def _check(rivals: dict[str, Rival], measured: dict[str, Measured], steps: int) -> None:
    """Raises DisagreementError; parts of a step have no bound."""
    learners = [name for name in rivals if name not in PARTS]
    learning = {name: rivals[name].ask("run", 2 * steps)["bounds"] for name in learners}
    for name in learners:
        measured[name].draws = rivals[name].ask("draw", 4 * steps)["bounds"]
    check_agreement({name: measured[name].draws for name in learners}, learning)


def _alternate(
    rivals: dict[str, Rival], measured: dict[str, Measured], blocks: int, steps: int
) -> None:
    """Rounds of blocks, the first to warm up; every round begins with another contender."""
    names = list(rivals)
    for block in range(blocks + 1):
        shift = block % len(names)
        for name in names[shift:] + names[:shift]:
            answer = rivals[name].ask("run", steps)
            if block:
                measured[name].blocks.append(float(np.median(answer["milliseconds"])))
                measured[name].cpu.append(answer["cpu"])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
