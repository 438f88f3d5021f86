"""Boltzmann machines on MNIST: log p(x) with log Z by annealing, filters, fantasies, completions.

Pixels are drawn anew at every visit, black with their grey value's probability. A restricted
machine of 500 hidden units by CD-1, CD-25 and persistent chains, and a deep one of 500 and 1,000
with centred layers. Scores are of the first 2,000 test images: of the deep machine the mean-field
bound.

    python tests/benchmarks/boltzmann_mnist.py [--machine rbm-pcd dbm] [--epochs 15] [--seed 0]
                                               [--steps 1000] [--chains 100] [--folder .]

Rates fall linearly to a fiftieth. Needs MNIST (`DGMPPL_DATA`).
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
from dgmppl.energy import AnnealedPath, MeanField, machine_of
from dgmppl.evaluation import Annealing
from dgmppl.models import deep_boltzmann, restricted_boltzmann
from dgmppl.models.deep_boltzmann import DeepBoltzmann
from dgmppl.models.restricted_boltzmann import RBM
from dgmppl.objectives import VariationalMaximumLikelihood
from dgmppl.recipes import Recipe

MNIST = partial(load, name="mnist", pixels=DynamicBinarisation())
RBMS, DBMS = restricted_boltzmann.recipes, deep_boltzmann.recipes
LARGE_RBM, LARGE_DBM = partial(RBM, 784, 500), partial(DeepBoltzmann, 784, (500, 1000))
DEEP = VariationalMaximumLikelihood(inference=MeanField(5))

#: Recipe and initial rate.
MACHINES = {
    "rbm-cd1": (replace(RBMS["rbm-cd1"], program=LARGE_RBM), 0.05),
    "rbm-cd25": (replace(RBMS["rbm-cd25"], program=LARGE_RBM), 0.05),
    "rbm-pcd": (replace(RBMS["rbm-pcd"], program=LARGE_RBM), 0.05),
    "dbm": (replace(DBMS["dbm-2-centred"], program=LARGE_DBM, objective=DEEP), 0.02),
}


def learn(recipe: Recipe, rate: float, options: argparse.Namespace) -> Any:
    """The program, learned, and how long it took."""
    began = time.monotonic()
    run = recipe.learn(
        MNIST(split="train"),
        seed=options.seed,
        epochs=options.epochs,
        batch_size=100,
        optimizer=partial(torch.optim.SGD, lr=rate, momentum=0.5),
        schedule=partial(
            torch.optim.lr_scheduler.LinearLR,
            start_factor=1.0,
            end_factor=0.02,
            total_iters=options.epochs,
        ),
        compile=True,
        progress=False,
    )
    return run.program, time.monotonic() - began


def pictures(program: Any, seed: int) -> list[Tensor]:
    """Rows of 20: filters; annealed chains; test images; their lower halves drawn anew."""
    weight = program.weight[0] if isinstance(program, DeepBoltzmann) else program.W
    filters = weight.detach().T[:20]
    low, high = filters.amin(1, keepdim=True), filters.amax(1, keepdim=True)
    torch.manual_seed(seed)
    whole = MNIST(split="test").draw()
    machine = machine_of(program, whole)
    annealed = AnnealedPath.of(machine, {"v": whole}).forward(Annealing(5000).powers, 20)[1]
    with torch.no_grad():
        fantasies = machine.layers["v"].mean(machine.fields(annealed, ["v"])["v"])
    whole = whole[:20]
    half = whole.clone()
    half[:, 392:] = torch.nan
    completed = dgmppl.generate(program, given={"v": half}, means=True, sweeps=500, seed=seed)["v"]
    return [(filters - low) / (high - low), fantasies, whole, completed]


def main() -> None:
    """Learns, scores, prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--machine", nargs="+", choices=MACHINES, default=[*MACHINES])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--chains", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path())
    options = parser.parse_args()
    torch.set_num_threads(1)
    annealing = Annealing(steps=options.steps, chains=options.chains)
    for name in options.machine:
        recipe, rate = MACHINES[name]
        program, seconds = learn(recipe, rate, options)
        test = MNIST(split="test").values[:2000]
        torch.manual_seed(options.seed)
        found = dgmppl.evidence(
            program, torch.bernoulli(test), annealing=annealing, seed=options.seed
        )
        print(f"{name}: {options.epochs} epochs, seed {options.seed}, {seconds:.0f} s: {found};")
        print(f"  {found.log_partition}", flush=True)
        torch.save(program.state_dict(), options.folder / f"{name}.pt")
        _save(pictures(program, options.seed), options.folder / f"{name}.png")


def _save(rows: list[Tensor], path: Path) -> None:
    import matplotlib.pyplot as plt

    cells = [torch.nn.functional.pad(row.reshape(-1, 28, 28), (1, 1, 1, 1)) for row in rows]
    grid = torch.cat([cell.transpose(0, 1).reshape(30, -1) for cell in cells])
    plt.imsave(path, grid.numpy(), cmap="gray_r", vmin=0, vmax=1)


if __name__ == "__main__":
    main()
