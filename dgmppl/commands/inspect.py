"""`dgmppl inspect`: pictures, posterior draws and diagnostics of a learned program."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from dgmppl import pictures
from dgmppl.binding import ProgramError, bind
from dgmppl.data import batch_length, first_tensor, map_tensors, spell, to_device
from dgmppl.evaluation import generate, read_drafts
from dgmppl.objectives import ObjectiveError
from dgmppl.posterior import Diagnosis, diagnose, posterior
from dgmppl.randomness import seeded
from dgmppl.sites import NoDensityError
from dgmppl.traces import module_device
from dgmppl.workspace import Finished

__all__ = ["inspect", "save_samples"]

SKIPPED = (pictures.PictureError, ProgramError, ObjectiveError, NoDensityError)


def inspect(run: Finished, *, number: int, num_samples: int, seed: int) -> Iterator[str]:
    """Draws every picture that applies, writes `posterior.nc` and `diagnosis.txt`.

    Arguments:
        run: The run.
        number: How many held-out data to look at.
        num_samples: Posterior draws a datum.
        seed: For every draw.

    Returns:
        Lines for the user.
    """
    folder = run.directory / "pictures"
    folder.mkdir(exist_ok=True)
    with seeded(seed):
        data = run.test.first(number)
        x = to_device(data.draw(), module_device(run.program))
        binding = bind(run.program, x)
        diagnosis = None
        if binding.latents and binding.has_guide:
            try:
                diagnosis = diagnose(run.program, x, num_samples)
                (run.directory / "diagnosis.txt").write_text(f"{diagnosis}\n", encoding="utf-8")
                yield str(diagnosis)
                posterior(run.program, x, num_samples).to_netcdf(
                    str(run.directory / "posterior.nc")
                )
                yield f"posterior draws: {run.directory / 'posterior.nc'}"
            except SKIPPED as error:
                yield f"no posterior: {error}"
        for name, draw in _drawings(run, data, x, diagnosis).items():
            try:
                figure = draw()
            except SKIPPED as error:
                yield f"no picture '{name}': {error}"
                continue
            path = folder / f"{name}.png"
            figure.savefig(path)
            yield f"picture: {path}"
        with contextlib.suppress(pictures.PictureError):  # without Graphviz graph.png is all
            yield f"picture: {pictures.render(run.program, x, folder / 'graph.pdf')}"


def _drawings(
    run: Finished, data: Any, x: Any, diagnosis: Diagnosis | None
) -> dict[str, Callable[[], Figure]]:
    """Name → how to draw it."""
    program, shape = run.program, data.image_shape
    alphabet = data.record.get("alphabet")
    drawings: dict[str, Callable[[], Figure]] = {
        "graph": lambda: pictures.graph(program, x),
        "losses": lambda: pictures.losses(run.history, run.recipe.objective.measure),
        "samples": lambda: pictures.samples(program, x, image_shape=shape, alphabet=alphabet),
        "reconstructions": lambda: pictures.reconstructions(program, x, image_shape=shape),
        "traversal": lambda: pictures.traversal(program, x, image_shape=shape),
        "interpolation": lambda: pictures.interpolation(program, *_ends(x), image_shape=shape),
        "latent_scatter": lambda: pictures.latent_scatter(program, x, labels=data.labels),
    }
    if drafts := read_drafts(run.directory):
        some = run.test.first(500).draw()
        drawings["over_training"] = lambda: pictures.over_training(
            drafts, first_tensor(some).cpu(), image_shape=shape
        )
    if hasattr(program, "critic"):
        drawings["critic_surface"] = lambda: pictures.critic_surface(program, x)
    if diagnosis is not None:
        drawings["kl_per_unit"] = lambda: pictures.kl_per_unit(diagnosis)
        drawings["k_hat"] = lambda: pictures.k_hat(diagnosis)
    return drawings


def _ends(x: Any) -> tuple[Any, Any]:
    """Two sets of data to go between: the first rows and the next."""
    half = min(6, batch_length(x) // 2)
    return map_tensors(lambda t: t[:half], x), map_tensors(lambda t: t[half : 2 * half], x)


def save_samples(run: Finished, number: int, path: Path, seed: int) -> list[str]:
    """Draws from a run's prior into an `.npz` file, and a picture beside it."""
    draws = generate(run.program, number, seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {name: value.cpu().numpy() for name, value in draws.items()}
    np.savez_compressed(path, **arrays)
    lines = [f"draws: {path} ({', '.join(f'{n} {tuple(v.shape)}' for n, v in draws.items())})"]
    shape, alphabet = run.test.image_shape, run.test.record.get("alphabet")
    if alphabet:
        texts = [spell(row, alphabet) for row in draws["x"]]
        path.with_suffix(".txt").write_text("\n\n".join(texts), encoding="utf-8")
        lines += [f"text: {path.with_suffix('.txt')}", texts[0]]
    x = run.test.first(64).draw()
    try:
        figure = pictures.samples(run.program, x, image_shape=shape, alphabet=alphabet)
    except SKIPPED as error:
        return [*lines, f"no picture: {error}"]
    figure.savefig(path.with_suffix(".png"))
    return [*lines, f"picture: {path.with_suffix('.png')}"]
