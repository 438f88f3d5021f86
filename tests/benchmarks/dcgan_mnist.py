"""Convolutional GANs on MNIST at equal numbers of batches: distances, classes, a grid of draws.

    python tests/benchmarks/dcgan_mnist.py [--recipe dcgan dcgan-wgan] [--epochs 8] [--seed 0]
                                           [--folder .]

Fréchet distance, kernel distance and inception score are by a classifier of MNIST that is learned
first, between 5,000 draws and as many test pictures. Needs MNIST (`DGMPPL_DATA`).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

import dgmppl
from dgmppl.data import load
from dgmppl.evaluation import (
    frechet_distance,
    inception_score,
    kernel_distance,
    learn_classifier,
)
from dgmppl.models.dcgan import recipes

MNIST = partial(load, name="mnist", flatten=False)
NUMBER = 5_000


def main() -> None:
    """Learns, measures, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--recipe", nargs="+", choices=recipes, default=["dcgan", "dcgan-wgan"])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path())
    options = parser.parse_args()
    torch.set_num_threads(1)
    train, test = MNIST(split="train"), MNIST(split="test")
    began = time.monotonic()
    classifier = learn_classifier(train)
    print(f"classifier: {classifier.accuracy(test):.2%} of the test set", end="")
    print(f" in {time.monotonic() - began:.0f} s", flush=True)
    pictures = test.values[:NUMBER]
    for name in options.recipe:
        recipe = replace(recipes[name], data=MNIST, epochs=options.epochs)
        began = time.monotonic()
        folder = options.folder / name
        run = recipe.learn(train, seed=options.seed, directory=folder, progress=False)
        seconds = time.monotonic() - began
        draws = dgmppl.generate(run.program, NUMBER, seed=options.seed)["x"].cpu()
        answers = classifier.probabilities(draws)
        shares = answers.argmax(-1).bincount(minlength=10) / NUMBER
        print(f"\n{name}: {options.epochs} epochs, seed {options.seed}, {seconds:.0f} s")
        print(frechet_distance(pictures, draws, classifier.features))
        print(kernel_distance(pictures[:2000], draws[:2000], classifier.features))
        print(inception_score(answers))
        print("classes, %:", [round(100 * float(share), 1) for share in shares], flush=True)
        grid = draws[:100].reshape(10, 10, 28, 28).transpose(1, 2).reshape(280, 280)
        _save(grid, options.folder / f"{name}.png")


def _save(grid: torch.Tensor, path: Path) -> None:
    import matplotlib.pyplot as plt

    plt.imsave(path, grid.numpy(), cmap="gray_r")


if __name__ == "__main__":
    main()
