"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .figures import Row, limit, rows
from .place import ON_GPU
from .race import Race
from .registry import CONTENDERS, REFERENCE

__all__ = ["report", "summary", "table"]

ABOUT = (
    "A step is loss, gradient and Adam on a ready batch. Every contender has a process of its own; "
    "they take turns in one run, and must agree on the bound before anything is printed. *ratio* "
    "is by the hand-written eager step of the same round; *CPU* is processor time, above the step "
    "itself where there are more threads and below where the machine was busy; *peak* is memory "
    "beyond that before the contender was made, *build* the time until its second step is done, "
    "with cold caches, and *break-even* the steps after which that has paid, beside the eager step "
    "of the same family (NumPyro beside Pyro). *kernels* is what a GPU works in a step: the rest "
    "are launches and waiting. *products alone* are the step's matrix products and "
    "convolutions, *Adam alone* its optimizer. Protocol: `tests/benchmarks/steps/__init__.py`."
)


def report(races: Sequence[Race], facts: Mapping[str, str], picture: str | None) -> str:
    """The whole document.

    Arguments:
        races: What was measured.
        facts: Of machine and run.
        picture: Its file beside the document, if there is one.
    """
    lines = ["# Milliseconds a training step", "", ABOUT, ""]
    lines += [f"* {name}: {value}" for name, value in facts.items()]
    lines += ["", f"![Ratios]({picture})"] if picture else []
    lines += ["", summary(races)]
    for race in races:
        lines += ["", f"## {race.workload.about}", "", table(race)]
    return "\n".join(lines) + "\n"


def summary(races: Sequence[Race]) -> str:
    """A workload a line: the limit, the reference in milliseconds, the others as ratios."""
    everywhere = [name for name in CONTENDERS if name != "hand-captured" or ON_GPU]
    others = [name for name in everywhere if name != REFERENCE]
    labels = [CONTENDERS[name].label for name in others]
    head = ["workload", "MFLOP", "products alone, ms", f"{CONTENDERS[REFERENCE].label}, ms"]
    lines = [_line([*head, *labels]), _line(["---"] * (len(head) + len(labels)))]
    for race in races:
        found = {row.name: row for row in rows(race)}
        alone = limit(race)
        cells = [race.workload.name, f"{race.workload.flops / 1e6:.0f}", _number(alone, ".2f")]
        cells.append(f"{found[REFERENCE].milliseconds:.2f}")
        ratios = [found[name].ratio if name in found else None for name in others]
        lines.append(_line(cells + [_number(ratio, ".2f", " ×") for ratio in ratios]))
    return "\n".join(lines)


def table(race: Race) -> str:
    """A contender a line, and below it who did not run."""
    found = rows(race)
    columns = [name for name in COLUMNS if name != KERNELS or any(r.kernels for r in found)]
    lines = [_line(columns), _line(["---"] * len(columns))]
    lines += [_line([COLUMNS[name](row) for name in columns]) for row in found]
    flops, alone = race.workload.flops, limit(race)
    note = f"{flops / 1e6:.1f} MFLOP in products"
    lines += ["", note + ("." if alone is None else f", {flops / alone / 1e6:.1f} GFLOP/s alone.")]
    for name, reason in race.absent.items():
        label = CONTENDERS[name].label if name in CONTENDERS else name
        lines.append(f"Left out: {label}, {reason}.")
    return "\n".join(lines)


def _milliseconds(row: Row) -> str:
    return f"{row.milliseconds:.{2 if row.milliseconds >= 1 else 3}f}"


def _break_even(row: Row) -> str:
    return "never" if row.break_even == float("inf") else _number(row.break_even, ",.0f")


def _bound(row: Row) -> str:
    return "–" if row.bound is None else f"{row.bound[0]:.2f} ± {row.bound[1]:.2f}"


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else f"{value:{form}}{unit}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


KERNELS = "kernels, ms"
COLUMNS: dict[str, Callable[[Row], str]] = {
    "contender": lambda row: row.label,
    "ms a step": _milliseconds,
    "ratio": lambda row: f"{row.ratio:.2f} ×",
    KERNELS: lambda row: _number(row.kernels, ".3f"),
    "CPU, ms": lambda row: f"{row.cpu:.2f}",
    "peak, MiB": lambda row: _number(row.peak, ".0f"),
    "build, s": lambda row: f"{row.build:.1f}",
    "break-even, steps": _break_even,
    "bound, nats a datum": _bound,
}
