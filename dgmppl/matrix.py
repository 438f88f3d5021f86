"""Guides × objectives × estimators: what a program can be learned by, and why not."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pyro.infer.autoguide import AutoNormal
from rich.console import Console, Group
from rich.table import Table
from torch import Tensor, nn

from dgmppl.binding import bind
from dgmppl.data.nested import flat_numbers
from dgmppl.guides import (
    Amortized,
    Coupling,
    Diagonal,
    Full,
    Householder,
    InverseAutoregressive,
    LowRank,
    Mixture,
    Planar,
    Spline,
    Sylvester,
)
from dgmppl.objectives import (
    CUBO,
    ELBO,
    IWAE,
    MIWAE,
    VIMCO,
    Bound,
    Concrete,
    DoublyReparameterized,
    Enumerate,
    Estimator,
    ExpectationMaximization,
    InputDependent,
    LeaveOneOut,
    MaximumLikelihood,
    MovingAverage,
    Objective,
    ObjectiveError,
    Pathwise,
    Renyi,
    ReweightedWakeSleep,
    ScoreFunction,
    StickingTheLanding,
    StraightThrough,
    WakeSleep,
)
from dgmppl.program import Guided, Pair, with_guide
from dgmppl.site_checks import ProgramError

__all__ = ["BOUNDS", "ESTIMATORS", "FAMILIES", "OTHERS", "Matrix", "guides_for", "matrix"]

#: Bounds that take a gradient estimator.
BOUNDS: dict[str, Bound] = {
    "ELBO()": ELBO(),
    "ELBO(5)": ELBO(5),
    "IWAE(5)": IWAE(5),
    "MIWAE(5)": MIWAE(5),
    "Renyi(5)": Renyi(5),
}

#: Estimators; first the bound's own choice.
ESTIMATORS: dict[str, Estimator | None] = {
    "chosen by the bound": None,
    "Pathwise()": Pathwise(),
    "StickingTheLanding()": StickingTheLanding(),
    "DoublyReparameterized()": DoublyReparameterized(),
    "ScoreFunction()": ScoreFunction(),
    "ScoreFunction(MovingAverage())": ScoreFunction(baseline=MovingAverage()),
    "ScoreFunction(InputDependent())": ScoreFunction(baseline=InputDependent()),
    "ScoreFunction(LeaveOneOut())": ScoreFunction(baseline=LeaveOneOut()),
    "VIMCO()": VIMCO(),
    "Enumerate()": Enumerate(),
    "Concrete()": Concrete(),
    "StraightThrough()": StraightThrough(),
}

#: Objectives with gradients of their own.
OTHERS: dict[str, Objective] = {
    "MaximumLikelihood()": MaximumLikelihood(),
    "ExpectationMaximization()": ExpectationMaximization(),
    "WakeSleep()": WakeSleep(),
    "ReweightedWakeSleep(5)": ReweightedWakeSleep(5),
    "CUBO(5)": CUBO(5),
}

#: Families of derived guides.
FAMILIES = (
    Diagonal(),
    LowRank(),
    Full(),
    Mixture(),
    Householder(),
    Planar(),
    Sylvester(),
    InverseAutoregressive(),
    Coupling(),
    Spline(),
)

Cells = dict[tuple[str, str], str]


@dataclass(frozen=True)
class Matrix:
    """Which objectives serve a program under which guides; printing it shows the tables.

    Arguments:
        cells: Guide → (objective, estimator) → "" if it is sound, else the reason and the cure.
        underivable: Guide → why it cannot be derived.
    """

    cells: Mapping[str, Cells]
    underivable: Mapping[str, str]

    def __rich__(self) -> Group:
        notes: dict[str, tuple[int, str]] = {}
        tables = [self._table(guides, notes) for guides in self._alike()]
        lines = [f"{number}: {reason}" for number, reason in notes.values()]
        absent: dict[str, list[str]] = {}
        for guide, reason in self.underivable.items():
            absent.setdefault(reason, []).append(guide)
        lines += [f"{', '.join(names)}: {reason}" for reason, names in absent.items()]
        return Group(*tables, *lines)

    def __str__(self) -> str:
        console = Console(file=io.StringIO(), width=100, color_system=None)
        console.print(self, markup=False, highlight=False)
        return console.file.getvalue()  # type: ignore[attr-defined]

    __repr__ = __str__

    def _alike(self) -> list[list[str]]:
        """Guides whose cells are sound alike, together."""
        groups: dict[tuple[bool, ...], list[str]] = {}
        for guide, cells in self.cells.items():
            groups.setdefault(tuple(not reason for reason in cells.values()), []).append(guide)
        return list(groups.values())

    def _table(self, guides: list[str], notes: dict[str, tuple[int, str]]) -> Table:
        cells = self.cells[guides[0]]
        own = "   ".join(f"{name} {_mark(cells[name, ''], '', notes)}" for name in OTHERS)
        table = Table(
            title=f"Guide: {', '.join(guides)}",
            title_justify="left",
            caption=own,
            caption_justify="left",
        )
        table.add_column("gradient", no_wrap=True)
        for bound in BOUNDS:
            table.add_column(bound.replace("(", "\n("), no_wrap=True)
        for estimator in ESTIMATORS:
            row = [_mark(cells[bound, estimator], estimator, notes) for bound in BOUNDS]
            table.add_row(estimator.replace("()", ""), *row)
        return table


def _mark(reason: str, estimator: str, notes: dict[str, tuple[int, str]]) -> str:
    """A tick, or the number of the reason; reasons that differ by names and numbers share one."""
    if not reason:
        return "✓"
    kind = estimator + re.sub(r"\b[A-Z]\w+\b|\d+|'\w+'", "", reason)
    number, _ = notes.setdefault(kind, (len(notes) + 1, reason))
    return f"– {number}"


def matrix(program: nn.Module, x: Any, guides: Mapping[str, nn.Module] | None = None) -> Matrix:
    """Tries every objective with every estimator on a program, under its guide and derived ones.

    Nothing is learned: what is refused here is refused before the first step of `fit`, too.

    Arguments:
        program: The program.
        x: A batch.
        guides: Name → the program under that guide; by default its own and what can be derived.

    Returns:
        A table that prints itself, with the reasons.

    Raises:
        ProgramError: If program and batch do not fit.

    Example:
        >>> import torch
        >>> from dgmppl.models.vae import VAE
        >>> found = matrix(VAE(data_dim=4, z_dim=2), torch.ones(3, 4))
        >>> found.cells["own"]["IWAE(5)", "DoublyReparameterized()"]
        ''
        >>> found.cells["own"]["IWAE(5)", "StickingTheLanding()"][:45]
        'StickingTheLanding is biased for IWAE with 5 '
    """
    underivable: dict[str, str] = {}
    if guides is None:
        guides, underivable = guides_for(program, x)
    return Matrix({name: _cells(each, x) for name, each in guides.items()}, underivable)


def _cells(program: nn.Module, x: Any) -> Cells:
    binding = bind(program, x)

    def reason(objective: Objective) -> str:
        try:
            objective.check(binding)
        except ObjectiveError as error:
            return str(error)
        return ""

    cells = {
        (name, estimator): reason(replace(bound, gradient=gradient))
        for name, bound in BOUNDS.items()
        for estimator, gradient in ESTIMATORS.items()
    }
    return cells | {(name, ""): reason(objective) for name, objective in OTHERS.items()}


class _Numbers(nn.Module):
    """A batch's own numbers as features."""

    def forward(self, x: Any, *more: Any) -> Tensor:
        return flat_numbers((x, *more) if more else x)


def guides_for(program: nn.Module, x: Any) -> tuple[dict[str, nn.Module], dict[str, str]]:
    """The program under its own guide, each derivable family, and AutoNormal.

    Arguments:
        program: The program.
        x: A batch.

    Returns:
        Name → program; and name → why a guide cannot be derived.
    """
    found: dict[str, nn.Module] = {}
    failed: dict[str, str] = {}
    if getattr(program, "guide", None) is not None or not bind(program, x).latents:
        found["own"] = program
    for family in FAMILIES:
        name = type(family).__name__
        try:
            guide = Amortized(program, _Numbers(), x, family=family)
            found[name] = with_guide(program, guide)
        except (ProgramError, ValueError) as error:
            failed[name] = str(error)
    try:
        automatic = with_guide(program, AutoNormal(_model_of(program)))
        bind(automatic, x)
        found["AutoNormal"] = automatic
    except (ProgramError, ValueError, NotImplementedError, AttributeError) as error:
        failed["AutoNormal"] = str(error)
    return found, failed


def _model_of(program: nn.Module) -> Any:
    """The function that an AutoGuide is to look at."""
    inner = program.program if isinstance(program, Guided) else program
    return inner._functions[0] if isinstance(inner, Pair) else inner.model
