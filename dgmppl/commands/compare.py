"""`dgmppl compare`: which of several learned programs explains held-out data better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.table import Table

from dgmppl.evaluation import evidence
from dgmppl.sites import NoDensityError
from dgmppl.workspace import load_run

__all__ = ["compare"]


def compare(
    directories: Sequence[Path], *, num_particles: int, number: int | None, seed: int
) -> Table:
    """Ranks runs by evidence on the same data; differences are paired, datum by datum.

    Arguments:
        directories: The runs, all on the same data.
        num_particles: Draws a datum.
        number: How many held-out data; `None` takes all.
        seed: For draws and binarisation, the same for every run.

    Raises:
        ValueError: If the runs are not about the same data.
        NoDensityError: If a run's evidence is unavailable.
    """
    runs = [load_run(directory) for directory in directories]
    names = {(r.test.record["name"], r.test.record.get("pixels"), len(r.test)) for r in runs}
    if len(names) > 1:
        raise ValueError(f"Expected runs on the same held-out data, got {sorted(map(str, names))}.")
    values: dict[str, torch.Tensor] = {}
    kinds = {}
    for run in runs:
        # the same seed gives every run the same binarisation
        data = run.test if number is None else run.test.first(number)
        result = evidence(run.program, data, num_particles, seed=seed)
        if result.value is None:
            raise NoDensityError(f"{run.directory}: {result.reason}")
        values[str(run.directory)], kinds[str(run.directory)] = result.value.double(), result.kind
    order = sorted(values, key=lambda name: -float(values[name].mean()))
    best = values[order[0]]
    table = Table(
        title=f"log p(x) of {len(best)} held-out data, nats a datum", title_justify="left"
    )
    for heading in ("run", "kind", "log p(x)", "behind the first", "± s.e.", "better on"):
        table.add_column(heading, justify="left" if heading in ("run", "kind") else "right")
    for name in order:
        behind = best - values[name]
        error = float(behind.std()) / math.sqrt(len(behind)) if len(behind) > 1 else 0.0
        wins = float((values[name] > best).double().mean())
        figures = [
            f"{float(values[name].mean()):.2f}",
            f"{float(behind.mean()):.2f}",
            f"{error:.2f}",
        ]
        table.add_row(
            name, kinds[name], *figures, "—" if name == order[0] else f"{100 * wins:.0f} %"
        )
    return table
