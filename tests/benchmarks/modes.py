"""Which modes GANs find: eight Gaussians in a ring, 25 in a grid, as in PacGAN's table.

Every recipe of the program `gan`, with networks of PacGAN's width unless `--narrow`, learns from
20,000 points in batches of 100 and draws 2,500. A
draw is good within three standard deviations of a centre; a mode is found if a good draw belongs
to it. Means and standard errors are over seeds, which choose parameters, order and noise. Each
result is kept in a file at once, and is not measured again.

    python tests/benchmarks/modes.py [--data ring grid] [--recipe gan wgan-gp] [--seeds 10]
                                     [--epochs 50] [--narrow] [--file modes.jsonl]

References:
    PacGAN: The Power of Two Samples in Generative Adversarial Networks, Zinan Lin et al., 2017.
    https://arxiv.org/abs/1712.04086
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import torch

import dgmppl
from dgmppl.data import grid_centres, load, ring_centres
from dgmppl.evaluation import Modes, mode_coverage
from dgmppl.models.gan import recipes
from dgmppl.recipes import Recipe

Key = tuple[str, str, int, int, bool]

PACGAN = {"generator_features": 400, "critic_features": 200}
SETS = {"ring": (ring_centres(), 0.01), "grid": (grid_centres(), 0.05)}


def modes_of(recipe: Recipe, data: str, seed: int, epochs: int, narrow: bool) -> Modes:
    """Learns a recipe on a set, and counts the modes of its draws."""
    schedule = partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=epochs)
    points = partial(load, name=data, n=20_000)
    recipe = replace(recipe, data=points, epochs=epochs, schedule=schedule)
    if not narrow:
        recipe = replace(recipe, program=partial(recipe.program, **PACGAN))
    run = recipe.learn(seed=seed, progress=False)
    draws = dgmppl.generate(run.program, 2_500, seed=seed)["x"]
    centres, scale = SETS[data]
    return mode_coverage(draws, centres, scale)


def measured(file: Path) -> dict[Key, dict[str, float]]:
    """What a file of results holds, by data, recipe, seed, epochs and width."""
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {(r["data"], r["recipe"], r["seed"], r["epochs"], r["narrow"]): r for r in rows}


def main() -> None:
    """Learns what the file does not hold yet, and prints a table a set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--recipe", nargs="+", choices=recipes, default=list(recipes))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--narrow", action="store_true", help="networks a third as wide")
    parser.add_argument("--file", type=Path, default=Path(__file__).with_name("modes.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    # seeds outermost: a run that is cut off has compared all recipes by as many
    for seed, data, name in product(range(options.seeds), options.data, options.recipe):
        key = (data, name, seed, options.epochs, options.narrow)
        if key in measured(options.file):
            continue
        began = time.monotonic()
        found = modes_of(recipes[name], data, seed, options.epochs, options.narrow)
        row = dict(zip(("data", "recipe", "seed", "epochs", "narrow"), key, strict=True))
        row |= {"found": found.found, "good": found.good, "seconds": time.monotonic() - began}
        with options.file.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(row, flush=True)
    for data in options.data:
        _table(data, options)


def _table(data: str, options: argparse.Namespace) -> None:
    rows = measured(options.file)
    number = len(SETS[data][0])
    print(f"\n| {data}, {options.epochs} epochs | seeds | modes of {number} ", end="")
    print("| good draws, % | s a seed |")
    print("|---|---|---|---|---|")
    for name in options.recipe:
        keys = [(data, name, seed, options.epochs, options.narrow) for seed in range(options.seeds)]
        own = [rows[key] for key in keys if key in rows]
        if own:
            modes, good = _mean([r["found"] for r in own]), _mean([100 * r["good"] for r in own])
            seconds = sum(r["seconds"] for r in own) / len(own)
            print(f"| {name} | {len(own)} | {modes} | {good} | {seconds:.0f} |")


def _mean(values: list[float]) -> str:
    """Mean and standard error."""
    tensor = torch.tensor(values, dtype=torch.float64)
    error = float(tensor.std() / len(tensor) ** 0.5) if len(tensor) > 1 else float("nan")
    return f"{tensor.mean():.1f} ± {error:.1f}"


if __name__ == "__main__":
    main()
