"""`dgmppl demo`: a VAE and an IWAE on handwritten digits, learned, scored and inspected."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import RenderableType

from dgmppl.commands.compare import compare
from dgmppl.commands.evaluate import evaluate
from dgmppl.commands.inspect import inspect
from dgmppl.commands.learn import learn
from dgmppl.workspace import load_run

__all__ = ["demo"]

EPOCHS = 300
PROGRAM = ("program.z_dim=10", f"epochs={EPOCHS}")


def demo(directory: Path, *, seed: int, progress: bool) -> Iterator[RenderableType]:
    """Learns both, prints what they are worth, draws pictures, and says where all of it is.

    Arguments:
        directory: Where both runs go; it must not hold a demo already.
        seed: For everything.
        progress: Whether to show progress bars.
    """
    yield "One program, p(z) = N(0, I), p(x|z) = Bernoulli(decoder(z)), on 8×8 digits.\n"
    torch.set_num_threads(1)  # networks this small do not gain from more
    runs = ("vae", "iwae")
    began = time.monotonic()
    for name in runs:
        run = learn(name, directory / name, overrides=PROGRAM, seed=seed, progress=progress)
        yield f"{name}: learned {run.objective} for {run.epoch} epochs in {run.seconds:.0f} s"
    yield f"\nlearning took {time.monotonic() - began:.0f} s in all\n"
    paths = [directory / name for name in runs]
    yield evaluate(paths, num_particles=1000, number=None, seed=seed)
    yield compare(paths, num_particles=1000, number=None, seed=seed)
    for path in paths:
        yield f"\n{path.name}:"
        yield from inspect(load_run(path), number=100, num_samples=1000, seed=seed)
    yield f"\nAll of it is in {directory}: pictures/, posterior.nc (for ArviZ), run.json."
