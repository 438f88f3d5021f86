"""What holds for every picture of every program."""

from __future__ import annotations

import ast
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure
from pictures.programs import Conditional, Generator, Ladder, Linear, crossing, mixture, regression
from torch import nn

import dgmppl
from dgmppl import pictures
from dgmppl.data import map_tensors

PROGRAMS: dict[str, Callable[[], tuple[nn.Module, Any]]] = {
    "line": lambda: (Linear(torch.ones(1, 2), torch.ones(2, 1)), torch.randn(12, 1)),
    "plane": lambda: (Linear(torch.eye(2), torch.eye(2)), torch.randn(12, 2)),
    "features": lambda: (Linear(torch.ones(5, 2), torch.ones(2, 5)), torch.randn(12, 5)),
    "incomplete": lambda: (
        dgmppl.Incomplete(Linear(torch.ones(5, 2), torch.ones(2, 5))),
        torch.randn(12, 5).masked_fill(torch.eye(12, 5).bool(), torch.nan),
    ),
    "ladder": lambda: (Ladder(), torch.randn(12, 3)),
    "conditional": lambda: (
        Conditional(),
        {"pixels": torch.rand(12, 9).round(), "label": torch.eye(2).repeat(6, 1)},
    ),
    "generator": lambda: (Generator(), torch.randn(12, 5)),
    "mixture": lambda: (dgmppl.Pair(mixture), torch.randn(12)),
    "regression": lambda: (dgmppl.Pair(regression), torch.randn(12, 2)),
    "crossing": lambda: (dgmppl.Pair(crossing), torch.randn(12, 3)),
}
WITHOUT_GUIDE = ("generator", "mixture", "regression", "crossing")


def interpolation(program: nn.Module, x: Any) -> Figure:
    ends = [map_tensors(lambda tensor, rows=rows: tensor[rows], x) for rows in ([0, 1], [2, 3])]
    return pictures.interpolation(program, *ends)


OF_PROGRAM = (pictures.graph, pictures.samples)
OF_GUIDE = (
    pictures.reconstructions,
    pictures.traversal,
    interpolation,
    pictures.latent_scatter,
)


def shows_something(figure: Figure) -> bool:
    figure.savefig(file := io.BytesIO(), dpi=30)
    drawn = any(axes.has_data() or axes.patches for axes in figure.axes)
    return bool(figure.get_suptitle()) and drawn and file.tell() > 1000


@pytest.mark.parametrize("draw", [*OF_PROGRAM, *OF_GUIDE])
@pytest.mark.parametrize("name", PROGRAMS)
def test_it_is_drawn_or_refused_by_name(name: str, draw: Callable[..., Figure]) -> None:
    program, x = PROGRAMS[name]()
    if draw in OF_GUIDE and name in WITHOUT_GUIDE:
        with pytest.raises(pictures.PictureError, match="Expected a program"):
            draw(program, x)
    else:
        assert shows_something(draw(program, x))


@pytest.mark.parametrize("draw", [*OF_PROGRAM, *OF_GUIDE])
def test_it_leaves_no_trace(draw: Callable[..., Figure]) -> None:
    program, x = PROGRAMS["plane"]()
    state = torch.get_rng_state()
    draw(program.train(), x)
    assert torch.equal(torch.get_rng_state(), state)
    assert program.training


def test_pictures_are_drawn_as_such() -> None:
    program, x = PROGRAMS["conditional"]()
    figure = pictures.samples(program, x, 4, image_shape=(1, 3, 3))
    assert figure.axes[0].images


def test_global_latents_have_no_latent_picture() -> None:
    pair = dgmppl.Pair(regression, lambda x: None)
    with pytest.raises(ValueError, match="weight"):
        pictures.latent_scatter(pair, torch.randn(3, 2))


def test_an_image_shape_that_does_not_fit_is_refused() -> None:
    program, x = PROGRAMS["features"]()
    with pytest.raises(pictures.PictureError, match="5 values"):
        pictures.samples(program, x, image_shape=(1, 2, 2))


def test_no_picture_touches_global_state() -> None:
    for path in Path(pictures.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", [])]
            source = getattr(node, "module", "") or ""
            assert "pyplot" not in (source.rpartition(".")[2], *names), path.name
