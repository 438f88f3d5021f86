"""Games can be watched: draws over training, and the critic's surface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import dgmppl
from dgmppl import pictures
from dgmppl.evaluation import Drafts, read_drafts
from dgmppl.models.gan import GAN
from dgmppl.models.vae import VAE
from dgmppl.objectives import ELBO, Adversarial
from dgmppl.pictures import PictureError

X = torch.randn(30, 2)


def learn(directory: Path, epochs: int, drafts: Drafts, **settings: Any) -> dgmppl.inference.Run:
    torch.manual_seed(0)
    program = GAN(generator_features=8, critic_features=4)
    return dgmppl.fit(
        program,
        X,
        Adversarial("x"),
        epochs=epochs,
        batch_size=10,
        directory=directory,
        callbacks=[drafts],
        device="cpu",
        progress=False,
        **settings,
    )


def test_drafts_survive_an_interruption_and_leave_learning_alone(tmp_path: Path) -> None:
    whole = learn(tmp_path / "whole", 6, Drafts(X[:5], epochs=6, number=3))
    plain = learn(tmp_path / "plain", 6, Drafts(X[:5], epochs=100, number=1))
    for name, value in whole.program.state_dict().items():
        assert torch.equal(value, plain.program.state_dict()[name])
    learn(tmp_path / "parts", 3, Drafts(X[:5], epochs=6, number=3))
    learn(tmp_path / "parts", 6, Drafts(X[:5], epochs=6, number=3), resume=True)
    kept, parts = read_drafts(tmp_path / "whole"), read_drafts(tmp_path / "parts")
    assert [*kept] == [*parts] == [1, 3, 6] and not read_drafts(tmp_path / "plain")
    assert all(torch.equal(draws, parts[epoch]) for epoch, draws in kept.items())
    last = dgmppl.generate(whole.program, x=X[:5], seed=0)["x"]
    assert torch.equal(kept[6], last) and not torch.equal(kept[1], last)


def test_draws_over_training() -> None:
    drafts = {1: torch.randn(20, 2), 4: torch.randn(20, 2), 9: torch.randn(20, 2)}
    figure = pictures.over_training(drafts, X)
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == 3 and all(len(axes.collections) == 2 for axes in shown)
    images = {1: torch.rand(12, 16), 2: torch.rand(12, 16)}
    assert pictures.over_training(images, torch.rand(3, 16), image_shape=(1, 4, 4)).axes
    with pytest.raises(PictureError, match="got none"):
        pictures.over_training({}, X)


def test_the_critics_surface_is_its_value() -> None:
    program = GAN(generator_features=8, critic_features=4)
    figure = pictures.critic_surface(program, X)
    assert figure.axes[0].get_legend() is not None or figure.legends
    with pytest.raises(PictureError, match="packed critic"):
        pictures.critic_surface(GAN(generator_features=8, critic_features=4, packing=2), X)
    with pytest.raises(PictureError, match="without one"):
        pictures.critic_surface(VAE(data_dim=2, z_dim=1), (X > 0).float())
    with pytest.raises(PictureError, match="in the plane"):
        pictures.critic_surface(GAN(data_dim=3, generator_features=8), torch.randn(9, 3))


def test_losses_of_both_players_have_names() -> None:
    drafts = Drafts(X[:5], epochs=9, number=1)
    run = learn(None, 2, drafts)  # type: ignore[arg-type]
    figure = pictures.losses(run.history, run.objective.measure)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["divergence", "terms"] and ELBO().measure == "bound"
    names = {text for axes in figure.axes for text in axes.get_legend_handles_labels()[1]}
    assert {"loss of the critic", "loss of the model"} <= names
