"""The graphical model as Graphviz draws it."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pyro
import torch
from torch import nn

from dgmppl.binding import bind
from dgmppl.pictures.error import PictureError
from dgmppl.randomness import seeded
from dgmppl.traces import evaluating, isolated

__all__ = ["render"]


def render(program: nn.Module, x: Any, path: str | Path) -> Path:
    """Writes Pyro's own picture of the model, for those who have Graphviz.

    Arguments:
        program: The program.
        x: A batch.
        path: The file; its suffix is the format (`.pdf`, `.svg`, `.png`).

    Returns:
        The path.

    Raises:
        PictureError: If the program `dot` or the package `graphviz` is missing.

    References:
        https://docs.pyro.ai/en/stable/infer.util.html#pyro.infer.inspect.render_model
    """
    if shutil.which("dot") is None or importlib.util.find_spec("graphviz") is None:
        raise PictureError(
            "Expected Graphviz: its program dot and its Python package. Try installing both "
            "(pip install dgmppl[docs] has the package), or graph(program, x)."
        )
    path = Path(path)
    bind(program, x)
    with torch.no_grad(), evaluating(program), seeded(0), isolated(program):
        pyro.render_model(
            program.model,  # type: ignore[arg-type]
            model_args=(x,),
            filename=str(path),
            render_distributions=True,
            render_deterministic=True,
        )
    return path
