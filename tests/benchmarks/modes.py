"""Which modes GANs find: eight Gaussians in a ring, 25 in a grid, as in PacGAN's table.

Every recipe of the program `gan`, with networks of PacGAN's width unless `--narrow`, learns from
20,000 points in batches of 100 and draws 2,500. A
draw is good within three standard deviations of a centre; a mode is found if a good draw belongs
to it. Means and standard errors are over seeds, which choose parameters, order and noise.

    python tests/benchmarks/modes.py [--data ring grid] [--recipe gan wgan-gp] [--seeds 10]
                                     [--epochs 50] [--narrow]

References:
    PacGAN: The Power of Two Samples in Generative Adversarial Networks, Zinan Lin et al., 2017.
    https://arxiv.org/abs/1712.04086
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial

import torch

import dgmppl
from dgmppl.data import grid_centres, load, ring_centres
from dgmppl.evaluation import Modes, mode_coverage
from dgmppl.models.gan import recipes
from dgmppl.randomness import seeded
from dgmppl.recipes import Recipe

PACGAN = {"generator_features": 400, "critic_features": 200}
SETS = {"ring": (ring_centres(), 0.01), "grid": (grid_centres(), 0.05)}


def modes_of(recipe: Recipe, data: str, seed: int, epochs: int, narrow: bool) -> Modes:
    """Learns a recipe on a set, and counts the modes of its draws."""
    recipe = replace(recipe, data=partial(load, name=data, n=20_000), epochs=epochs)
    if not narrow:
        recipe = replace(recipe, program=partial(recipe.program, **PACGAN))
    train = recipe.data(split="train")
    with seeded(seed):
        program = recipe.build(train)
    run = dgmppl.fit(
        program,
        train,
        recipe.objective,
        optimizer=recipe.optimizer,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        seed=seed,
        progress=False,
    )
    draws = dgmppl.generate(run.program, 2_500, seed=seed)["x"]
    centres, scale = SETS[data]
    return mode_coverage(draws, centres, scale)


def main() -> None:
    """Prints a table a set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--recipe", nargs="+", choices=recipes, default=list(recipes))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--narrow", action="store_true", help="networks a third as wide")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for data in options.data:
        number = len(SETS[data][0])
        print(
            f"\n| {data}, {options.epochs} epochs | modes of {number} | good draws, % | s a seed |"
        )
        print("|---|---|---|---|")
        for name in options.recipe:
            began = time.monotonic()
            found = [
                modes_of(recipes[name], data, seed, options.epochs, options.narrow)
                for seed in range(options.seeds)
            ]
            seconds = (time.monotonic() - began) / options.seeds
            modes = _mean([each.found for each in found])
            good = _mean([100 * each.good for each in found])
            print(f"| {name} | {modes} | {good} | {seconds:.0f} |", flush=True)


def _mean(values: list[float]) -> str:
    """Mean and standard error."""
    tensor = torch.tensor(values, dtype=torch.float64)
    error = float(tensor.std() / len(tensor) ** 0.5) if len(tensor) > 1 else float("nan")
    return f"{tensor.mean():.1f} ± {error:.1f}"


if __name__ == "__main__":
    main()
