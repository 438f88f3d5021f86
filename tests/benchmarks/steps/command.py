"""The command line of `bench.py`."""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
from pathlib import Path

from .agreement import DisagreementError
from .machine import machine, pin
from .picture import picture
from .place import ON_GPU
from .race import Race, race
from .registry import CONTENDERS, PARTS, WORKLOADS
from .report import report

__all__ = ["main"]


def main() -> None:
    """Measures, and prints or writes the tables."""
    options = _options()
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
    facts = machine(None if ON_GPU else pin())
    facts["command"] = f"`{'BENCH_DEVICE=cuda ' * ON_GPU}python {shlex.join(sys.argv)}`"
    races, refused = [], []
    for workload in (WORKLOADS[name] for name in options.workload):
        steps = options.steps or workload.block
        try:
            races.append(race(workload, options.only, options.blocks, steps, options.seed))
        except DisagreementError as reason:
            refused.append(f"{workload.name}: {reason}")
            print(f"no table of {refused[-1]}", file=sys.stderr, flush=True)
            facts["no table of"] = "; ".join(refused)
        facts["run"] = (
            f"{options.blocks} blocks of {_steps(options, races)} steps, seed {options.seed}, "
            f"{datetime.date.today().isoformat()}"
        )
        if options.folder is not None and races:
            _write(options.folder, races, facts)  # after each, so that nothing measured is lost
    if options.folder is None:
        print(report(races, facts, None))
    sys.exit(bool(refused))


def _write(folder: Path, races: list[Race], facts: dict[str, str]) -> None:
    """The tables and their picture."""
    suffix = "_gpu" if ON_GPU else ""
    picture(races).savefig(folder / f"results{suffix}.png")
    text = report(races, facts, f"results{suffix}.png")
    (folder / f"RESULTS{suffix.upper()}.md").write_text(text, "utf-8")


def _steps(options: argparse.Namespace, races: list[Race]) -> str:
    """How many a block has, as one number or a number a workload."""
    if options.steps:
        return str(options.steps)
    return ", ".join(f"{race.workload.block} ({race.workload.name})" for race in races)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Milliseconds a training step, by turns.")
    everyone = [*CONTENDERS] if ON_GPU else [n for n in CONTENDERS | PARTS if n != "hand-captured"]
    workloads = [*WORKLOADS]
    parser.add_argument("--workload", nargs="+", choices=workloads, default=workloads)
    parser.add_argument("--only", nargs="+", choices=everyone, default=everyone)
    parser.add_argument("--blocks", type=int, default=30)
    parser.add_argument("--steps", type=int, help="in a block; each workload has its own number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where tables and picture are written")
    return parser.parse_args()
