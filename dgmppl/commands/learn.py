"""`dgmppl fit`: learn a recipe."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

import dgmppl
from dgmppl.data import LoaderData, TensorData, as_data
from dgmppl.evaluation import Drafts
from dgmppl.inference import Run
from dgmppl.lowering import Compile, Inductor, Plain
from dgmppl.objectives import Adversarial
from dgmppl.recipes import Recipe
from dgmppl.workspace import resolve

__all__ = ["learn"]

COMPILE: dict[str, Compile] = {
    "auto": "auto",
    "no": False,
    "yes": True,
    "graph": Plain(),
    "inductor": Inductor(),
}
PRECISIONS = {"none": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def learn(
    name: str,
    directory: Path,
    *,
    data: str | None = None,
    overrides: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    validation: float = 0.0,
    amp: str = "none",
    compile: str = "auto",
    progress: bool = True,
) -> Run:
    """Learns a recipe into a directory.

    Arguments:
        name: A recipe's name or a file.
        directory: The run's directory.
        data: A named data set or a file, in place of the recipe's.
        overrides: Texts `path=value`.
        seed: For parameters, order and draws.
        device: "auto", "cpu", "cuda", ….
        resume: Whether to go on with the run in `directory`.
        validation: Share of the training data that is held out.
        amp: "none", "bfloat16" or "float16".
        compile: "auto", "no", "yes", "graph" or "inductor".
        progress: Whether to show progress.
    """
    recipe = resolve(name, data, overrides)
    train = as_data(recipe.data(split="train"))
    train, held_out = _split(train, validation) if validation else (train, None)
    return recipe.learn(
        train,
        validation=held_out,
        amp=PRECISIONS[amp],
        compile=COMPILE[compile],
        device=device,
        seed=seed,
        directory=directory,
        resume=resume,
        progress=progress,
        callbacks=_callbacks(recipe, train),
        record={
            "recipe": _absolute(name),
            "data_source": data,
            "overrides": list(overrides),
            "command": " ".join(sys.argv),
            "dgmppl": dgmppl.__version__,
            "packages": {
                n: importlib.metadata.version(n) for n in ("numpy", "arviz", "safetensors")
            },
        },
    )


def _callbacks(recipe: Recipe, train: TensorData | LoaderData) -> list[Drafts]:
    """Games are watched: what the model draws is kept over training."""
    parts = [part for _, part in recipe.objective.summands()]
    if isinstance(train, TensorData) and any(isinstance(part, Adversarial) for part in parts):
        return [Drafts(train.first(500).draw(), epochs=recipe.epochs)]
    return []


def _absolute(name: str) -> str:
    """A file's path is kept whole, so that the run can be read back from anywhere."""
    path, colon, chosen = name.partition(":")
    return f"{Path(path).resolve()}{colon}{chosen}" if path.endswith(".py") else name


def _split(data: TensorData | LoaderData, share: float) -> tuple[TensorData, TensorData]:
    """The last part is held out."""
    if not isinstance(data, TensorData):
        raise ValueError(
            "Expected data in memory to hold a share out. Try validation data of your own."
        )
    if not 0.0 < share < 1.0:
        raise ValueError(f"Expected a share of validation data between 0 and 1, got {share}.")
    kept = len(data) - max(1, round(share * len(data)))
    return data[:kept], data[kept:]
