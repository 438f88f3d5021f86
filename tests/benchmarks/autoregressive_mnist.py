"""Autoregressive models on binary MNIST: exact log p(x) of the whole test set, draws, completions.

Pixels are drawn anew at every visit, black with their grey value's probability; the test set is
drawn once. Adam, batches of 100, the rate falls along a cosine.

    python tests/benchmarks/autoregressive_mnist.py [--model made pixel-cnn] [--seed 0] [--folder .]

What each took on one thread is in its line. Needs MNIST (`DGMPPL_DATA`).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import dgmppl
from dgmppl.data import DynamicBinarisation, load
from dgmppl.models.made import MADE
from dgmppl.models.nade import NADE, OrderlessNADE
from dgmppl.models.pixel_cnn import GatedPixelCNN, PixelCNN
from dgmppl.networks import MaskedPixels
from dgmppl.recipes import Recipe, find_recipes

MNIST = partial(load, name="mnist", pixels=DynamicBinarisation())
RECIPES = find_recipes()

#: Program, epochs, rate: within 20 minutes on one thread.
MODELS: dict[str, tuple[Any, int, float]] = {
    "made": (partial(MADE, 784, (500, 500)), 120, 1e-3),
    "nade": (partial(NADE, 784, 200), 10, 2e-3),
    "orderless-nade": (partial(OrderlessNADE, 784, 500), 60, 1e-3),
    "pixel-cnn": (lambda: PixelCNN(net=MaskedPixels(32, 5)), 6, 2e-3),
    "gated-pixel-cnn": (partial(GatedPixelCNN, channels=16, layers=6), 4, 2e-3),
}


def data(name: str, split: str) -> Any:
    """MNIST in the shape that a model wants."""
    return MNIST(split=split, flatten="pixel" not in name)


def learn(name: str, options: argparse.Namespace) -> tuple[Any, float]:
    """The program, learned, and how long it took."""
    program, epochs, rate = MODELS[name]
    epochs = options.epochs or epochs
    recipe: Recipe = replace(RECIPES[name], program=program)
    began = time.monotonic()
    run = recipe.learn(
        data(name, "train"),
        seed=options.seed,
        epochs=epochs,
        batch_size=100,
        optimizer=partial(torch.optim.Adam, lr=rate),
        schedule=partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=epochs),
        compile=True,
        progress=False,
    )
    return run.program, time.monotonic() - began


def pictures(name: str, program: Any, seed: int) -> Tensor:
    """Rows of 20: four of draws; test digits; two of their lower halves drawn anew."""
    drawn = dgmppl.generate(program, 80, seed=seed)["x"]
    torch.manual_seed(seed)
    whole = data(name, "test").draw()[:20]
    known = torch.zeros(28, 28, dtype=torch.bool)
    known[:14] = True
    known = known.reshape(whole.shape[1:])
    shown = whole.where(known, torch.tensor(0.3))
    halves = [
        dgmppl.generate(program, given={"x": whole}, mask={"x": known}, seed=seed + i)["x"]
        for i in range(3)
    ]
    return torch.cat([drawn, whole, shown, *halves])


def main() -> None:
    """Learns, scores, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", nargs="+", choices=MODELS, default=[*MODELS])
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path())
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.model:
        program, seconds = learn(name, options)
        torch.save(program.state_dict(), options.folder / f"{name}.pt")
        torch.manual_seed(options.seed)
        found = dgmppl.evidence(program, data(name, "test").draw(), seed=options.seed)
        print(f"{name}: seed {options.seed}, {seconds:.0f} s: {found}", flush=True)
        began = time.monotonic()
        _save(pictures(name, program, options.seed), options.folder / f"{name}.png")
        print(f"  pictures in {time.monotonic() - began:.0f} s", flush=True)


def _save(images: Tensor, path: Path) -> None:
    import matplotlib.pyplot as plt

    cells = torch.nn.functional.pad(images.reshape(-1, 20, 28, 28), (1, 1, 1, 1))
    grid = cells.transpose(1, 2).reshape(-1, 600)
    plt.imsave(path, grid.numpy(), cmap="gray_r", vmin=0, vmax=1)


if __name__ == "__main__":
    main()
