"""What p(x, y) is worth for decisions: few labels, and data of a class that was never seen.

First the test error with 100 labels, beside a classifier that is told these alone and one that is
told all. Then one class after another is left out of training, and its test data are to be told
from the others' by log p(x), and by doubt about the label: areas under the receiver operating
characteristic, 0.5 by chance, less where the score misleads. Pictures are binarised, those of the
test set once; of MNIST 10,000 are learned from, half of the recipes' epochs.

    python tests/benchmarks/semi_supervised.py [--seeds 0 1] [--unseen 0 1 2]
    DGMPPL_DATA=… python tests/benchmarks/semi_supervised.py --data mnist --copies 10 --epochs 0.5
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from dgmppl.data import DynamicBinarisation, SomeLabels, StaticBinarisation, TensorData, load
from dgmppl.models.semi_supervised_vae import HybridVAE, SemiSupervisedVAE, log_joint, recipes
from dgmppl.objectives import Supervised
from dgmppl.recipes import Recipe

Program = SemiSupervisedVAE | HybridVAE

M2, HYBRID = recipes["semi-supervised-vae"], recipes["hybrid-vae"]
CLASSIFIER = replace(M2, objective=Supervised("y"))
EVERY = SomeLabels(None)


def learned(recipe: Recipe, data: TensorData, seed: int, share: float = 1.0) -> Program:
    """The recipe's program after a share of its epochs."""
    epochs = max(1, round(share * recipe.epochs))
    run = recipe.learn(data, seed=seed, epochs=epochs, device="cpu", progress=False)
    program = run.program
    assert isinstance(program, Program)
    return program


@torch.no_grad()
def by_guide(program: Program, x: Tensor) -> Tensor:
    """q(y|x) of M2, `[B, C]`."""
    return program.classifier(x).softmax(-1)


@torch.no_grad()
def by_model(program: Program, x: Tensor) -> tuple[Tensor, Tensor]:
    """p(y|x) `[B, C]` and log p(x) `[B]`."""
    joint = log_joint(program, x, 50)
    return joint.softmax(-1), joint.logsumexp(-1)


def few_labels(train: TensorData, x: Tensor, labels: SomeLabels, share: float) -> dict[str, Tensor]:
    """p(y|x) of every way to learn it, `[B, C]`."""
    alone = replace(labels, copies=1)(train)
    alone = alone[alone.values["y"] >= 0]
    few = replace(CLASSIFIER, epochs=300)
    m2, hybrid = (learned(recipe, labels(train), labels.seed, share) for recipe in (M2, HYBRID))
    return {
        "classifier, 100 labels alone": by_guide(learned(few, alone, labels.seed), x),
        "M2, 100 labels, q(y\\|x)": by_guide(m2, x),
        "M2, 100 labels, p(y\\|x)": by_model(m2, x)[0],
        "hybrid, 100 labels, p(y\\|x)": by_model(hybrid, x)[0],
        "classifier, all labels": by_guide(learned(CLASSIFIER, EVERY(train), 0, share), x),
    }


def rare(train: TensorData, x: Tensor, labels: SomeLabels, share: float) -> dict[str, Tensor]:
    """How unlike the training data each datum is held to be, `[B]`, by several scores."""
    result = {}
    for name, recipe in (("M2", M2), ("hybrid", HYBRID)):
        decision, log_evidence = by_model(learned(recipe, labels(train), labels.seed, share), x)
        result[f"{name}, −log p(x)"] = -log_evidence
        result[f"{name}, doubt 1 − max p(y\\|x)"] = 1 - decision.amax(-1)
    told = learned(CLASSIFIER, EVERY(train), labels.seed, share)
    result["classifier, all labels, doubt"] = 1 - by_guide(told, x).amax(-1)
    return result


def summary(values: list[float]) -> list[float]:
    """Mean, standard error and least."""
    numbers = torch.tensor(values)
    return [float(numbers.mean()), float(numbers.std()) / math.sqrt(len(values)), min(values)]


def show(head: list[str], rows: dict[str, list[float]]) -> None:
    """Prints a Markdown table."""
    head = [*head, "mean", "s.e.", "least"]
    print(f"\n| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for name, values in rows.items():
        numbers = (f"{number:.3g}" for number in [*values, *summary(values)])
        print(f"| {name} | {' | '.join(numbers)} |", flush=True)


def main() -> None:
    """Learns and prints both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", default="digits")
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--epochs", type=float, default=1.0, help="share of the recipes' epochs")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    parser.add_argument("--unseen", type=int, nargs="*", default=list(range(10)))
    options = parser.parse_args()
    train = load(options.data, "train", DynamicBinarisation()).first(options.number)
    test = load(options.data, "test", StaticBinarisation()).first(1000)
    x, y = test.values, test.labels
    assert isinstance(x, Tensor) and y is not None and train.labels is not None
    began = time.process_time()
    errors: dict[str, list[float]] = {}
    for seed in options.seeds:
        some = SomeLabels(100, seed, options.copies)
        for name, decision in few_labels(train, x, some, options.epochs).items():
            wrong = (decision.argmax(-1) != y).float().mean()
            errors.setdefault(name, []).append(100 * float(wrong))
    show(["test error in %; seed", *map(str, options.seeds)], errors)
    areas: dict[str, list[float]] = {}
    for unseen in options.unseen:
        some = SomeLabels(90, 0, options.copies)
        seen = train[train.labels != unseen]
        for name, score in rare(seen, x, some, options.epochs).items():
            area = roc_auc_score((y == unseen).numpy(), score.numpy())
            areas.setdefault(name, []).append(float(area))
    show(["area; unseen class", *map(str, options.unseen)], areas)
    seconds = time.process_time() - began
    print(f"\n{options.data}, {len(train)} data, {seconds:.0f} s of one thread")


if __name__ == "__main__":
    main()
