"""Running means of parameters: what they are, and that a run goes on with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from linear_gaussian import LinearGaussian, data
from torch import Tensor

import dgmppl
from dgmppl.inference import Run
from dgmppl.inference.checkpoint import CheckpointError

X = data(12)


def learn(epochs: int = 8, **settings: Any) -> tuple[Run, list[dict[str, Tensor]]]:
    """A run with one step an epoch, and the parameters that its callback saw."""
    seen: list[dict[str, Tensor]] = []

    def look(run: Run) -> None:
        seen.append({n: t.detach().clone() for n, t in run.program.named_parameters()})

    run = dgmppl.fit(
        LinearGaussian(1.0),
        X,
        epochs=epochs,
        batch_size=None,
        callbacks=[look],
        progress=False,
        **settings,
    )
    return run, seen


def test_the_program_ends_with_the_weighted_mean_of_its_steps() -> None:
    _, steps = learn()
    run, seen = learn(averaging=0.5)
    mean = dict(LinearGaussian(1.0).named_parameters())
    for t, step in enumerate(steps):
        decay = min(0.5, (1 + t) / (10 + t))
        mean = {name: decay * mean[name] + (1 - decay) * step[name] for name in mean}
        assert all(torch.allclose(seen[t][name], mean[name]) for name in mean)
    assert all(torch.allclose(p, mean[name]) for name, p in run.program.named_parameters())


def test_without_decay_the_mean_is_the_last_step() -> None:
    plain, averaged = learn()[0].program, learn(averaging=0.0)[0].program
    pairs = zip(plain.parameters(), averaged.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_resumed_run_goes_on_with_its_means(tmp_path: Path) -> None:
    whole, _ = learn(averaging=0.9)
    learn(epochs=3, averaging=0.9, directory=tmp_path)
    resumed, _ = learn(averaging=0.9, directory=tmp_path, resume=True)
    pairs = zip(whole.program.parameters(), resumed.program.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    with pytest.raises(CheckpointError, match="averaging"):
        learn(epochs=12, averaging=0.99, directory=tmp_path, resume=True)


def test_decays_beyond_one_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Try 0\.999"):
        learn(averaging=1.0)
