"""What a table shows, from what was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .race import Race
from .registry import CONTENDERS, PARTS, REFERENCE

__all__ = ["Row", "limit", "rows"]


@dataclass(frozen=True)
class Row:
    """A contender's figures on one workload.

    Arguments:
        name: The contender.
        label: As shown.
        milliseconds: A step; the median over blocks of the median of a block's steps.
        ratio: Median over rounds of its block by the reference's.
        cpu: Milliseconds of processor time a step; the median over blocks of the mean of a block.
        peak: Mebibytes; `None` where the system does not tell.
        build: Seconds.
        break_even: Steps after which building has paid; `None` where there is nothing to compare
            with, infinite where it never does.
        kernels: Milliseconds a step that a GPU works; `None` where unknown.
        bound: Nats a datum at the initial parameters, with its standard error; `None` where no
            bound is computed.
    """

    name: str
    label: str
    milliseconds: float
    ratio: float
    cpu: float
    peak: float | None
    build: float
    break_even: float | None
    kernels: float | None
    bound: tuple[float, float] | None


def rows(race: Race) -> list[Row]:
    """Contenders in the order of the registry, what multiplies only at the end."""
    known = CONTENDERS | PARTS
    return [_row(race, name) for name in known if name in race.measured]


def limit(race: Race) -> float | None:
    """Milliseconds of PyTorch's products alone, if they were timed."""
    found = race.measured.get("products")
    return None if found is None else float(np.median(found.blocks))


def _row(race: Race, name: str) -> Row:
    own, base = race.measured[name], race.measured[REFERENCE]
    draws = own.draws
    return Row(
        name=name,
        label=(CONTENDERS | PARTS)[name].label,
        milliseconds=float(np.median(own.blocks)),
        ratio=float(np.median(np.divide(own.blocks, base.blocks))),
        cpu=float(np.median(own.cpu)),
        peak=own.peak,
        build=own.build,
        break_even=_break_even(race, name),
        kernels=own.kernels,
        bound=(np.mean(draws), np.std(draws, ddof=1) / len(draws) ** 0.5) if draws else None,
    )


def _break_even(race: Race, name: str) -> float | None:
    """(build − build of eager) / (eager step − step)."""
    eager = CONTENDERS[name].eager if name in CONTENDERS else None
    if eager not in race.measured:
        return None
    own, other = race.measured[name], race.measured[eager]
    paid = max(own.build - other.build, 0.0)
    saved = float(np.median(other.blocks) - np.median(own.blocks)) / 1e3
    return paid / saved if saved > 0 else float("inf")
