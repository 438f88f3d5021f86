"""What happened at every step and epoch of a run, in memory and on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

__all__ = ["History"]


class History:
    """Rows of numbers, one a phase of a step and one an epoch.

    Arguments:
        path: A JSON-lines file that follows the rows, or `None`.

    Attributes:
        steps: Dicts with `step`, `epoch`, `phase`, `value` (the bound, nats a datum) and a number a
            site.
        epochs: Dicts with `epoch`, `value` (mean over the epoch), `validation` where there is one,
            `seconds`.

    Example:
        >>> history = History()
        >>> history.add("steps", {"step": 1, "value": -3.0})
        >>> history["value"]
        [-3.0]
    """

    def __init__(self, path: Path | None = None):
        self.steps: list[dict[str, Any]] = []
        self.epochs: list[dict[str, Any]] = []
        self._file = None if path is None else path.open("a", encoding="utf-8")
        self._path = path

    def __getitem__(self, name: str) -> list[float]:
        return [row[name] for row in self.steps if name in row]

    def add(self, kind: str, row: dict[str, Any]) -> None:
        """Appends a row to `steps` or `epochs`."""
        getattr(self, kind).append(row)
        if self._file is not None:
            self._file.write(json.dumps({"kind": kind, **row}) + "\n")

    def flush(self) -> None:
        """Makes sure that all rows are on disk."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flushes and closes the file."""
        if self._file is not None:
            self.flush()
            self._file.close()
            self._file = None

    def clear(self) -> None:
        """Drops all rows, those that an earlier process left in the file too."""
        self.steps, self.epochs = [], []
        if self._file is not None:
            self._file.truncate(0)

    def truncate(self, step: int, epoch: int) -> None:
        """Reads the file's rows up to a position and drops those after it: where a run resumes."""
        assert self._path is not None and self._file is not None
        self._file.close()
        rows = read_rows(self._path)
        kept = [
            r for r in rows if (r["step"] <= step if r["kind"] == "steps" else r["epoch"] <= epoch)
        ]
        self.steps = [_bare(row) for row in kept if row["kind"] == "steps"]
        self.epochs = [_bare(row) for row in kept if row["kind"] == "epochs"]
        draft = self._path.with_suffix(".draft")
        draft.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        draft.replace(self._path)
        self._file = self._path.open("a", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> History:
        """The history of a finished run."""
        history = cls()
        for row in read_rows(path):
            getattr(history, row["kind"]).append(_bare(row))
        return history


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a metrics file; a last line cut short by a crash is passed over."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            rows.append(json.loads(line))
    return rows


def _bare(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "kind"}
