"""What lies in a run's directory, and what a recipe's name or a file stands for."""

from __future__ import annotations

import difflib
import importlib.util
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dgmppl.binding import bind
from dgmppl.data import as_data, batches
from dgmppl.inference import History, load_parameters, read_checkpoint
from dgmppl.overrides import apply_overrides
from dgmppl.program import Program
from dgmppl.recipes import Recipe, find_recipes

__all__ = ["Finished", "fresh_directory", "load_run", "resolve"]


def resolve(name: str, data: str | None = None, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe that a name, a Python file, or `file.py:name` stands for.

    A file gives its `recipes` dict, or its only subclass of `Program` under the standard settings.

    Arguments:
        name: A recipe's name, or a path.
        data: A named data set, or the path of an `.npz` or `.npy` file, in place of the recipe's.
        overrides: Texts `path=value`.

    Raises:
        ValueError: If there is no such recipe.
    """
    path, _, chosen = name.partition(":")
    if path.endswith(".py"):
        recipe = _from_file(Path(path), chosen)
    else:
        recipes = find_recipes()
        if name not in recipes:
            close = difflib.get_close_matches(name, recipes, n=3)
            hint = " or ".join(close) if close else "`dgmppl list`"
            raise ValueError(f"Unknown recipe '{name}'. Try {hint}, or the path of a Python file.")
        recipe = recipes[name]
    if data is not None:
        recipe = replace(recipe, data=_source(recipe, data))
    return apply_overrides(recipe, overrides)


def _from_file(path: Path, chosen: str) -> Recipe:
    if not path.exists():
        raise FileNotFoundError(
            f"Expected a Python file at {path}, found none. Try an absolute path."
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    recipes: dict[str, Recipe] = dict(getattr(module, "recipes", {}))
    for name, value in vars(module).items():
        own = isinstance(value, type) and value.__module__ == path.stem
        if own and issubclass(value, Program) and not recipes:
            recipes[name] = Recipe(program=value)
    if not chosen and len(recipes) == 1:
        return next(iter(recipes.values()))
    if chosen not in recipes:
        raise ValueError(
            f"Expected one of {sorted(recipes)} from {path}. Try {path}:NAME; a file needs a dict "
            "`recipes` or a subclass of dgmppl.Program."
        )
    return recipes[chosen]


def _source(recipe: Recipe, data: str) -> Any:
    if data.endswith((".npz", ".npy")):
        return partial(_read, path=str(Path(data).resolve()))
    if not isinstance(recipe.data, partial):
        raise ValueError(f"This recipe makes its own data; '{data}' cannot replace them.")
    return partial(recipe.data.func, *recipe.data.args, **{**recipe.data.keywords, "name": data})


def _read(*, path: str, split: str = "train") -> Any:
    """A user's file; it has one split."""
    return as_data(path)


def fresh_directory(name: str) -> Path:
    """The first of runs/NAME, runs/NAME-2, … that does not exist."""
    stem = Path(name.partition(":")[0]).stem if name.endswith(".py") or ":" in name else name
    number = 1
    while (path := Path("runs") / (stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    return path


@dataclass(frozen=True)
class Finished:
    """A run read back from its directory.

    Arguments:
        directory: Where it is.
        recipe: The recipe, with the run's overrides.
        program: The learned program.
        test: Held-out data (the training data where the set has one split).
        history: Every step and epoch.
        settings: The content of `run.json`.
    """

    directory: Path
    recipe: Recipe
    program: nn.Module
    test: Any
    history: History
    settings: dict[str, Any]


def load_run(directory: str | Path) -> Finished:
    """Rebuilds a run's program with its best parameters, and with means where it kept them.

    They are its last where there is no validation, and in a game, where no value says which are
    best.

    Raises:
        FileNotFoundError: If there is no run.
        CheckpointError: If the checkpoint is damaged or of another program.
    """
    directory = Path(directory)
    if not (directory / "run.json").exists():
        raise FileNotFoundError(
            f"Expected a run in {directory}, found no run.json. Try `dgmppl fit` first."
        )
    settings = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    if "recipe" not in settings:
        raise ValueError(
            f"The run in {directory} was not made from a recipe. Try load_parameters in Python."
        )
    recipe = resolve(settings["recipe"], settings["data_source"], settings["overrides"])
    train, test = recipe.data(split="train"), as_data(recipe.data(split="test"))
    program = recipe.build(train)
    bind(program, next(iter(batches(as_data(train), recipe.batch_size))).x)  # makes lazy parameters
    best = directory / "best.safetensors"
    last = recipe.objective.measure != "bound" or not best.exists()
    state = read_checkpoint(directory / "last.safetensors" if last else best)
    means = state.get("averages", {})
    load_parameters(program, {**state["program"], **means}, f"Run {directory}")
    if torch.cuda.is_available():
        program.cuda()
    return Finished(
        directory, recipe, program, test, History.read(directory / "metrics.jsonl"), settings
    )
