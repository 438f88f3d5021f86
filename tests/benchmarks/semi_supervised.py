"""What p(x, y) is worth for decisions: few labels, and data of a class that was never seen.

First the test error with 100 labels, beside a classifier that knows these alone and one that knows
all; then, with one class after another left out of training, how well its data are told from the
others' by log p(x) and by the label's probability: areas under the receiver's curve (0.5 is chance,
below it the scores mislead). Pictures are binarised, the test set once.

    python tests/benchmarks/semi_supervised.py [--data mnist --number 10000] [--seeds 2]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

import dgmppl
from dgmppl.data import DynamicBinarisation, SomeLabels, StaticBinarisation, TensorData, load
from dgmppl.models.semi_supervised_vae import HybridVAE, SemiSupervisedVAE, log_joint, recipes
from dgmppl.objectives import Supervised
from dgmppl.recipes import Recipe

M2, HYBRID = recipes["semi-supervised-vae"], recipes["hybrid-vae"]
CLASSIFIER = replace(M2, objective=Supervised("y"))
Program = SemiSupervisedVAE | HybridVAE


def learned(recipe: Recipe, data: TensorData, seed: int) -> Program:
    """The recipe's program, learned."""
    torch.manual_seed(seed)
    program = recipe.build(data)
    dgmppl.fit(
        program,
        data,
        recipe.objective,
        optimizer=recipe.optimizer,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        seed=seed,
        device="cpu",
        progress=False,
    )
    return program


@torch.no_grad()
def errors(program: Program, x: Tensor, y: Tensor) -> Iterator[tuple[str, float]]:
    """Share of wrong labels in percent, by Bayes' rule and by the guide."""
    if isinstance(program, SemiSupervisedVAE):
        yield "q(y|x)", 100 * float((program.classifier(x).argmax(-1) != y).float().mean())
    yield "p(y|x)", 100 * float((log_joint(program, x, 50).argmax(-1) != y).float().mean())


@torch.no_grad()
def scores(program: Program, x: Tensor) -> dict[str, Tensor]:
    """How unlike the training data each datum is held to be, `[B]`."""
    joint = log_joint(program, x, 50)
    return {
        "−log p(x)": -joint.logsumexp(-1),
        "1 − max p(y|x)": 1 - joint.softmax(-1).amax(-1),
    }


def few_labels(train: TensorData, x: Tensor, y: Tensor, seeds: int) -> None:
    """Prints test errors."""
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        some = SomeLabels(100, seed)(train)
        only = some[some.values["y"] >= 0]
        every = SomeLabels(None)(train)
        for name, recipe, data in (
            ("classifier, 100 labels alone", replace(CLASSIFIER, epochs=300), only),
            ("M2, 100 labels", M2, some),
            ("hybrid, 100 labels", HYBRID, some),
            ("classifier, all labels", CLASSIFIER, every),
            ("M2, all labels", M2, every),
            ("hybrid, all labels", HYBRID, every),
        ):
            for rule, error in errors(learned(recipe, data, seed), x, y):
                if rule == "q(y|x)" or recipe.objective != CLASSIFIER.objective:
                    found.setdefault(f"{name} | {rule}", []).append(error)
    print("\n| learned | decided by | test error, % | s.e. |\n|---|---|---|---|")
    for name, values in found.items():
        mean, spread = summary(values)
        print(f"| {name} | {mean:.1f} | {spread:.1f} |")


def rare(train: TensorData, x: Tensor, y: Tensor, seed: int = 0) -> None:
    """Prints areas under the curve, one class unseen at a time."""
    assert train.labels is not None
    table: dict[str, list[float]] = {}
    for unseen in range(10):
        seen = train[train.labels != unseen]
        data = SomeLabels(90, seed)(seen)
        programs = {"M2": learned(M2, data, seed), "hybrid": learned(HYBRID, data, seed)}
        for name, program in programs.items():
            for score, value in scores(program, x).items():
                area = float(roc_auc_score((y == unseen).numpy(), value.numpy()))
                table.setdefault(f"{name}: {score}", []).append(area)
        blind = learned(replace(CLASSIFIER, epochs=20), SomeLabels(None)(seen), seed)
        with torch.no_grad():
            doubt = 1 - blind.classifier(x).softmax(-1).amax(-1)
        area = float(roc_auc_score((y == unseen).numpy(), doubt.numpy()))
        table.setdefault("classifier, all labels: 1 − max q(y|x)", []).append(area)
    print("\n| unseen | " + " | ".join(map(str, range(10))) + " | mean | worst |")
    print("|---" * 13 + "|")
    for name, areas in table.items():
        row = " | ".join(f"{area:.2f}" for area in areas)
        print(f"| {name} | {row} | {sum(areas) / 10:.2f} | {min(areas):.2f} |")


def summary(values: list[float]) -> tuple[float, float]:
    """Mean and standard error."""
    numbers = torch.tensor(values)
    return float(numbers.mean()), float(numbers.std()) / math.sqrt(len(values))


def main() -> None:
    """Learns and prints both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="digits")
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    read = partial(load, options.data)
    train = read("train", DynamicBinarisation()).first(options.number)
    test = read("test", StaticBinarisation()).first(1000)
    assert isinstance(test.values, Tensor) and test.labels is not None
    began = time.process_time()
    few_labels(train, test.values, test.labels, options.seeds)
    rare(train, test.values, test.labels)
    print(f"\n{options.data}, {len(train)} data, {time.process_time() - began:.0f} s of one thread")


if __name__ == "__main__":
    main()
