"""Recipes: a program, an objective and data, ready to be learned by name."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from dgmppl.data import DynamicBinarisation, as_data, load
from dgmppl.inference import Run, fit
from dgmppl.inference.player import OptimizerFactory
from dgmppl.objectives import ELBO, Objective
from dgmppl.program import with_guide
from dgmppl.randomness import seeded

__all__ = ["ADAM", "DIGITS", "Recipe", "find_recipes"]

#: What nearly every recipe learns with.
ADAM = partial(torch.optim.Adam, lr=1e-3)

#: Handwritten digits, 8 × 8, binarised anew in every batch.
DIGITS = partial(load, name="digits", pixels=DynamicBinarisation())


@dataclass(frozen=True)
class Recipe:
    """All that `fit` needs, as data: every field can be exchanged from the command line.

    Arguments:
        program: Builds the program: its class, or a `functools.partial` of it. Parameters named
            `data_dim`, `image_shape`, `length` (of sequences) and `categories` (of a text's
            characters) that are left open are taken from the data.
        objective: The learning principle.
        data: Takes `split=` and returns data, most often a `functools.partial` of `load`.
        guide: Program → guide that replaces its own, or `None`.
        optimizer: Parameters → optimizer, or a mapping from role to such.
        schedule: Optimizer → learning-rate schedule, or `None`.
        clip_gradient: Parameters → anything, before each step, or `None`.
        averaging: The decay of a running mean of the parameters, or `None`.
        start: Program and data → anything, before the first epoch of a new run: such as
            pre-training, which moves the program to where learning begins. `None` begins where the
            program was built.
        epochs: Passes over the data.
        batch_size: Data a step; `None` takes all.
        about: One line for the table of recipes.

    Example:
        >>> from dgmppl.models.vae import VAE
        >>> recipe = Recipe(program=partial(VAE, z_dim=4), about="A small VAE")
        >>> data = recipe.data(split="train")
        >>> recipe.build(data).z_dim
        4
    """

    program: Callable[..., nn.Module]
    objective: Objective = field(default_factory=ELBO)
    data: Callable[..., Any] = DIGITS
    guide: Callable[[Any], Any] | None = None
    optimizer: OptimizerFactory | Mapping[str, OptimizerFactory] = ADAM
    schedule: Callable[..., Any] | None = None
    clip_gradient: Callable[..., Any] | None = None
    averaging: float | None = None
    start: Callable[[Any, Any], Any] | None = None
    epochs: int = 20
    batch_size: int | None = 128
    about: str = ""

    def build(self, data: Any) -> nn.Module:
        """The program for some data, with the recipe's guide."""
        given = getattr(self.program, "keywords", {})
        parameters = inspect.signature(self.program).parameters
        sizes: dict[str, Any] = {}
        shape = getattr(data, "record", {}).get("shape")
        if isinstance(shape, dict):  # of a mapping's first entry
            shape = next(iter(shape.values()))
        if isinstance(shape, list) and shape:
            sizes = {
                "data_dim": shape[-1],
                "image_shape": getattr(data, "image_shape", None) or tuple(shape),
                "length": shape[-1],
                "categories": len(getattr(data, "record", {}).get("alphabet", "")),
            }
        open_sizes = {k: v for k, v in sizes.items() if v and k in parameters and k not in given}
        program = self.program(**open_sizes)
        if self.guide is None:
            return program
        return with_guide(program, self.guide(program))

    def learn(self, data: Any = None, *, seed: int = 0, **settings: Any) -> Run:
        """Builds the program and learns it.

        Arguments:
            data: In place of the recipe's own.
            seed: Of the parameters, the order and the draws.
            settings: Of `fit`; they replace the recipe's.

        Example:
            >>> recipe = find_recipes()["vae"]
            >>> recipe.learn(epochs=1, progress=False).step
            12
        """
        train = as_data(self.data(split="train") if data is None else data)
        with seeded(seed):
            program = self.build(train)
            if self.start is not None and not settings.get("resume"):
                self.start(program, train)
        own = {
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "clip_gradient": self.clip_gradient,
            "averaging": self.averaging,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
        }
        return fit(program, train, self.objective, seed=seed, **{**own, **settings})


def find_recipes() -> dict[str, Recipe]:
    """Every recipe of the installed galleries, by name.

    Galleries are the entry points of the group `dgmppl.recipes`: packages whose modules each have
    a dict `recipes`.
    """
    found: dict[str, Recipe] = {}
    for entry in importlib.metadata.entry_points(group="dgmppl.recipes"):
        gallery = entry.load()
        for name in gallery.modules():
            module = importlib.import_module(f"{gallery.__name__}.{name}")
            found |= getattr(module, "recipes", {})
    return found
