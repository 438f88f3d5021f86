"""InfoGAN on MNIST: how many test images' codes stand for their class.

The network is of the paper's size, the guide sees pictures behind noise of scale 0.3; the code's
values are read as classes one to one, in the best way for the test set.

    python tests/benchmarks/info_gan_mnist.py [--epochs 15] [--seed 0]

Needs MNIST (`DGMPPL_DATA`), and a GPU to be done in minutes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

import torch
from scipy.optimize import linear_sum_assignment

from dgmppl.data import load
from dgmppl.models.info_gan import InfoGAN, recipes
from dgmppl.traces import evaluating


def main() -> None:
    """Learns, reads the code, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = partial(load, name="mnist", flatten=False)
    recipe = replace(recipes["info-gan"], program=InfoGAN, data=data)
    run = recipe.learn(seed=options.seed, epochs=options.epochs, progress=False)
    test = data(split="test")
    device = next(run.program.parameters()).device
    with torch.no_grad(), evaluating(run.program):
        parts = [run.program.recognition(x.to(device)).argmax(-1) for x in test.values.split(500)]
    codes = torch.cat(parts).cpu()
    table = torch.bincount(10 * codes + test.labels, minlength=100).reshape(10, 10).numpy()
    read = table[linear_sum_assignment(table, maximize=True)].sum() / table.sum()
    print(f"{options.epochs} epochs, seed {options.seed}, {run.seconds:.0f} s: {read:.1%}")


if __name__ == "__main__":
    main()
