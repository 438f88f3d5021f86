"""Stacked MNIST: how many of 1,000 triples of digits convolutional GANs draw.

128,000 pictures of three channels, each a digit, train each recipe of the program `dcgan`; of
26,000 draws each channel is named by a classifier of MNIST that is learned first. Modes found, and
KL of the draws' modes from an even use, which is (1,000 − 1)/52,000 = 0.02 nats at least.

    python tests/benchmarks/stacked_mnist.py [--recipe dcgan dcgan-wgan-gp dcgan-pac] [--epochs 10]
                                             [--seeds 0] [--number 128000] [--folder .]

Needs MNIST (`DGMPPL_DATA`), and 2 GB of memory. An epoch of dcgan takes minutes of a CPU core.

References:
    PacGAN: The Power of Two Samples in Generative Adversarial Networks, Zinan Lin et al., 2017.
    https://arxiv.org/abs/1712.04086
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch

import dgmppl
from dgmppl.data import TensorData, load, stacked
from dgmppl.evaluation import Classifier, Modes, class_coverage, learn_classifier
from dgmppl.models.dcgan import recipes

DRAWS = 26_000


def coverage(pictures: torch.Tensor, classifier: Classifier) -> Modes:
    """Which triples of digits pictures `[n, 3, 28, 28]` show."""
    digits = classifier.probabilities(pictures.flatten(0, 1)).argmax(-1).reshape(-1, 3)
    return class_coverage(digits @ digits.new_tensor([100, 10, 1]), 1000)


def measured(
    name: str, data: TensorData, classifier: Classifier, options: argparse.Namespace, seed: int
) -> None:
    """Learns a recipe, counts its modes, and saves a hundred draws."""
    began = time.monotonic()
    recipe = replace(recipes[name], epochs=options.epochs)
    run = recipe.learn(data, seed=seed, progress=False)
    seconds = time.monotonic() - began
    draws = dgmppl.generate(run.program, DRAWS, seed=seed)["x"].cpu()
    found = coverage(draws, classifier)
    print(
        f"{name}: {options.epochs} epochs of {len(data):,}, seed {seed}, {seconds:.0f} s: {found}",
        flush=True,
    )
    grid = draws[:100].reshape(10, 10, 3, 28, 28).permute(0, 3, 1, 4, 2).reshape(280, 280, 3)
    _save(grid, options.folder / f"stacked-{name}-{seed}.png")


def main() -> None:
    """Learns, measures, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    shown = ["dcgan", "dcgan-wgan-gp", "dcgan-pac"]
    parser.add_argument("--recipe", nargs="+", choices=recipes, default=shown)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--number", type=int, default=128_000)
    parser.add_argument("--folder", type=Path, default=Path())
    options = parser.parse_args()
    torch.set_num_threads(1)
    classifier = learn_classifier(load("mnist", flatten=False))
    data = stacked(n=options.number, flatten=False)
    print(f"data, {DRAWS:,} of them: {coverage(data.values[:DRAWS], classifier)}", flush=True)
    for seed in options.seeds:
        for name in options.recipe:
            measured(name, data, classifier, options, seed)


def _save(grid: torch.Tensor, path: Path) -> None:
    import matplotlib.pyplot as plt

    plt.imsave(path, grid.numpy())


if __name__ == "__main__":
    main()
