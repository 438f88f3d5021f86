"""Half of all pixels missing at random, in learning and in testing: how well are they filled in?

(a) by the mean of each pixel where it was observed; (b) by a VAE learned from the half-missing
pictures themselves, by the ELBO or the MIWAE bound; (c) by the same VAE learned from whole
pictures, its guide then learned anew on the half-missing ones with the model held (the guide of
whole pictures has never met a hole, and its effective sample sizes show it).

Pixels are binarised anew at every visit in learning, missing ones stay missing; test pictures are
binarised once, with the seed. Errors are those of E[x_missing | x_observed] on missing
pixels of test pictures: RMSE to the binary and to the grey pixel, share of wrong binary pixels,
cross-entropy in nats. Standard errors are over pictures.

    DGMPPL_DATA=… python tests/benchmarks/imputation.py [mnist --epochs 10] [--picture out.png]
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import dgmppl
from dgmppl import pictures
from dgmppl.data import (
    DynamicBinarisation,
    Grey,
    MissingCompletelyAtRandom,
    StaticBinarisation,
    load,
)
from dgmppl.models.missing_data_vae import MissingDataVAE
from dgmppl.models.vae import VAE
from dgmppl.objectives import ELBO, IWAE, Objective

HEADER = f"{'':46} {'RMSE':>14} {'RMSE to grey':>14} {'wrong':>14} {'nats/pixel':>14}   ESS  time/s"


def errors(mean: Tensor, test: Tensor, truth: Tensor, grey: Tensor) -> str:
    """The four errors on missing pixels, with standard errors over pictures."""
    missing = test.isnan()
    p = mean.clamp(1e-4, 1 - 1e-4)
    tables = (
        (mean - truth).square(),
        (mean - grey).square(),
        ((mean > 0.5) != (truth > 0.5)).float(),
        nn.functional.binary_cross_entropy(p, truth, reduction="none"),
    )
    shown = []
    for i, table in enumerate(tables):
        rows = (table * missing).sum(1) / missing.sum(1)
        value, error = rows.mean(), rows.std() / len(rows) ** 0.5
        if i < 2:
            value, error = value.sqrt(), error / (2 * value.sqrt())
        shown.append(f"{value:.4f} ± {error:.4f}".rjust(14))
    return " ".join(shown)


def learn(
    program: nn.Module, data: Any, objective: Objective, options: argparse.Namespace
) -> dgmppl.Program:
    """Learns with the settings that all share."""
    settings = {"epochs": options.epochs, "batch_size": 128, "progress": False, "device": "cpu"}
    adam = partial(torch.optim.Adam, lr=1e-3)
    run = dgmppl.fit(program, data, objective, optimizer=adam, seed=options.seed, **settings)
    return run.program  # type: ignore[return-value]


def with_guide_anew(program: dgmppl.Incomplete, data: Any, options: Any) -> dgmppl.Program:
    """The same model, held, under a guide that is learned on pictures with holes."""
    twin = copy.deepcopy(program)
    twin.program.decoder.requires_grad_(False)  # type: ignore[union-attr, operator]
    return learn(twin, data, IWAE(5), options)


def main() -> None:
    """Learns, imputes, prints and draws."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--z-dim", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=int, default=60_000, help="training pictures at most")
    parser.add_argument("--number", type=int, default=360, help="test pictures")
    parser.add_argument("--particles", type=int, default=1000)
    parser.add_argument("--picture")
    options = parser.parse_args()
    anew, once = DynamicBinarisation(), StaticBinarisation(options.seed)
    holes = partial(MissingCompletelyAtRandom, seed=options.seed)
    train, holed = (
        load(options.data, "train", pixels).first(options.train) for pixels in (anew, holes(anew))
    )
    tests = (
        load(options.data, "test", pixels).first(options.number)
        for pixels in (holes(once), once, Grey())
    )
    test_data = next(tests)
    test, truth, grey = (test_data.draw(), *(data.draw() for data in tests))
    sizes = f"{len(train)} pictures to learn from, {len(test)} to test on"
    print(f"{options.data}, {sizes}, {options.epochs} epochs, seed {options.seed}\n{HEADER}")
    means = holed.draw().nanmean(0).expand_as(test)
    print(f"{'(a) mean of each pixel':46} {errors(means, test, truth, grey)}", flush=True)
    learned: dict[str, dgmppl.Program] = {}

    def row(name: str, make: Callable[[], dgmppl.Program]) -> None:
        torch.manual_seed(options.seed)
        began = time.perf_counter()
        learned[name] = make()
        seconds = time.perf_counter() - began
        found = dgmppl.impute(learned[name], test, 5, options.particles, seed=options.seed)
        shown = errors(found.mean["x"], test, truth, grey)
        ess = float(found.effective_sample_size.median())
        print(f"{name:46} {shown} {ess:5.0f} {seconds:7.0f}", flush=True)

    def vae() -> dgmppl.Incomplete:
        return dgmppl.Incomplete(VAE(test.shape[1], options.z_dim))

    def masked() -> dgmppl.Incomplete:
        return MissingDataVAE(test.shape[1], options.z_dim)

    row("(b) half-missing pictures, ELBO", lambda: learn(vae(), holed, ELBO(), options))
    row("(b) half-missing pictures, MIWAE, K = 5", lambda: learn(vae(), holed, IWAE(5), options))
    row("(b) the same, guide sees the mask", lambda: learn(masked(), holed, IWAE(5), options))
    row("(c) whole pictures, IWAE, K = 5", lambda: learn(vae(), train, IWAE(5), options))
    program = learned["(c) whole pictures, IWAE, K = 5"]
    row("(c) the same, guide learned anew", lambda: with_guide_anew(program, holed, options))  # type: ignore[arg-type]
    if options.picture:
        figure = pictures.imputations(
            learned["(b) half-missing pictures, MIWAE, K = 5"],
            test,
            14,
            truth=truth,
            image_shape=test_data.image_shape,
        )
        figure.savefig(options.picture)


if __name__ == "__main__":
    main()
