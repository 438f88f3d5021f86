"""`dgmppl evaluate`: the evidence of learned programs on held-out data."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from dgmppl.evaluation import Annealing, Evidence, bits_per_dim, evidence
from dgmppl.inference.checkpoint import write_atomically
from dgmppl.workspace import Finished, load_run

__all__ = ["evaluate", "evaluate_run"]


def evaluate(
    directories: Sequence[Path],
    *,
    num_particles: int,
    number: int | None,
    seed: int,
    annealing: Annealing | None = None,
) -> Table:
    """Scores runs on the same held-out data and keeps the figures in each run's `evidence.json`.

    Arguments:
        directories: The runs.
        num_particles: Draws a datum.
        number: How many held-out data; `None` takes all.
        seed: For draws and binarisation.
        annealing: As of `evidence`.
    """
    runs = [load_run(directory) for directory in directories]
    alike = len({_data(run) for run in runs}) == 1
    what = _data(runs[0]) if alike else "held-out data"
    table = Table(title=f"log p(x), nats a datum: {what}", title_justify="left")
    for heading in ("run", "kind") if alike else ("run", "data", "kind"):
        table.add_column(heading, overflow="fold")
    for heading in ("log p(x)", "± s.e.", "bits/dim", "draws"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in runs:
        result, bits = evaluate_run(
            run, num_particles=num_particles, number=number, seed=seed, annealing=annealing
        )
        figures = ["—"] * 4
        if result.value is not None:
            draws = str(result.num_particles or "—")
            figures = [
                f"{result.mean:.2f}",
                f"{result.mean_error:.2f}",
                "—" if math.isnan(bits) else f"{bits:.3f}",
                draws,
            ]
        kind = "; ".join(filter(None, (result.kind, result.caution)))
        about = (kind,) if alike else (_data(run), kind)
        table.add_row(str(run.directory), *about, *figures)
    return table


def evaluate_run(
    run: Finished,
    *,
    num_particles: int,
    number: int | None,
    seed: int,
    annealing: Annealing | None = None,
) -> tuple[Evidence, float]:
    """One run's evidence and its bits a dimension."""
    data = run.test if number is None else run.test.first(number)
    result = evidence(run.program, data, num_particles, seed=seed, annealing=annealing)
    record: dict[str, Any] = {
        "kind": result.kind,
        "seed": seed,
        "data": data.record,
        "reason": result.reason,
    }
    bits = float("nan")
    if result.value is not None:
        values = data.values
        if isinstance(values, torch.Tensor):  # of several tensors no number of dimensions is right
            dims = int((~values.isnan()).sum()) / len(data)
            levels = getattr(data.transform, "levels", None)
            bits = float(bits_per_dim(result.value.double().mean(), dims, levels=levels))
        record |= {
            "log_prob": result.mean,
            "standard_error": result.mean_error,
            "bits_per_dim": None if math.isnan(bits) else bits,
            "num_particles": result.num_particles,
        }
    if result.log_partition is not None:
        record["log_partition"] = asdict(result.log_partition)
    write_atomically(run.directory / "evidence.json", json.dumps(record, indent=2).encode())
    return result, bits


def _data(run: Finished) -> str:
    record = run.test.record
    return f"{record['name']} {record.get('split', '')}, {record.get('pixels', 'as given')}"
