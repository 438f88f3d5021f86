"""Pictures of a history and of a diagnosis."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from dgmppl import pictures
from dgmppl.inference import History
from dgmppl.posterior import Diagnosis


def history(epochs: int = 3, steps: int = 4, **extra: float) -> History:
    result, step = History(), 0
    for epoch in range(1, epochs + 1):
        for _ in range(steps):
            step += 1
            row = {"step": step, "epoch": epoch, "batch": 0, "phase": "model", "value": -2.0}
            result.add("steps", {**row, "x": -1.5, "kl_z": 0.5})
        result.add("epochs", {"epoch": epoch, "value": -2.0, "seconds": 1.0, **extra})
    return result


def lines(figure: Figure, panel: int) -> dict[str, np.ndarray]:
    return {
        str(line.get_label()): np.asarray(line.get_xydata())
        for line in figure.axes[panel].lines
        if not str(line.get_label()).startswith("_")
    }


def test_every_term_is_shown_by_name() -> None:
    figure = pictures.losses(history())
    assert list(lines(figure, 0)) == ["training data"]
    assert list(lines(figure, 1)) == ["site x", "KL of z"]
    assert figure.axes[0].get_ylabel() == "bound (nats a datum)"


def test_a_phase_that_knows_no_bound_has_its_terms_only() -> None:
    """Wake–sleep's sleep, say."""
    result = history()
    result.add("steps", {"step": 12, "epoch": 3, "batch": 0, "phase": "guide", "sleep": -4.0})
    figure = pictures.losses(result)
    assert list(lines(figure, 0)) == ["training data"]
    assert list(lines(figure, 1)) == ["site x", "KL of z", "site sleep"]


def test_a_constant_stays_what_it_is_under_smoothing() -> None:
    figure = pictures.losses(history(epochs=100))
    np.testing.assert_allclose(lines(figure, 0)["training data"][:, 1], -2.0)


def test_validation_stands_at_the_last_step_of_each_epoch() -> None:
    points = lines(pictures.losses(history(validation=-3.0)), 0)["held-out data"]
    np.testing.assert_array_equal(points, [[4, -3.0], [8, -3.0], [12, -3.0]])


def test_players_have_a_line_each() -> None:
    game = History()
    for phase in ("critic", "generator"):
        game.add("steps", {"step": 1, "epoch": 1, "phase": phase, "value": 0.0})
    assert list(lines(pictures.losses(game), 0)) == ["critic", "generator"]


def diagnosed(
    k_hat: torch.Tensor | None = None,
    kl: dict[str, torch.Tensor] | None = None,
    **activity: list[float],
) -> Diagnosis:
    none, kl = torch.zeros(1), kl or {}
    k_hat = none if k_hat is None else k_hat
    active = {name: torch.tensor(values) for name, values in activity.items()}
    return Diagnosis(k_hat, none, kl, active, none, none, 100, len(k_hat), False)


def test_an_empty_history_is_refused() -> None:
    with pytest.raises(pictures.PictureError, match="at least one step"):
        pictures.losses(History())


def test_bars_are_the_mean_over_data_sorted_and_active_ones_coloured() -> None:
    kl = torch.tensor([[1.0, 0.0, 4.0], [3.0, 0.0, 4.0]])
    axes = pictures.kl_per_unit(diagnosed(kl={"z": kl}, z=[1.0, 0.0, 0.001])).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [4.0, 2.0, 0.0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["2", "0", "1"]
    first, second, third = (bar.get_facecolor() for bar in axes.patches)
    assert first == third != second
    assert "z: 1 of 3 units active" in axes.get_title() and "6.0 nats" in axes.get_title()


def test_each_site_has_a_panel() -> None:
    kl = {"a": torch.ones(2, 40), "b": torch.ones(2, 200), "c": torch.ones(2, 1)}
    found = diagnosed(kl=kl, a=[1.0] * 40, b=[0.0] * 200, c=[1.0, 1.0, 0.0])
    figure = pictures.kl_per_unit(found)
    assert [len(axes.patches) for axes in figure.axes] == [40, 100, 1]
    assert "c: 2 of 3 units active" in figure.axes[2].get_title()


def test_shares_of_k_hat_add_up_whatever_the_values() -> None:
    values = torch.tensor([-torch.inf, 0.5, 0.7, torch.inf, 3.0, torch.nan, 0.2, 0.6])
    axes = pictures.k_hat(diagnosed(k_hat=values.double())).axes[0]
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert [int(word.split(": ")[1].removesuffix(" %")) for word in words] == [43, 29, 29]
    assert "1 more without" in axes.get_title()
    heights = np.concatenate([np.asarray(c.get_offsets())[:, 1] for c in axes.collections])
    low, high = axes.get_ylim()
    assert ((heights >= low) & (heights <= high)).all()


@pytest.mark.parametrize("name", ["k_hat", "kl_per_unit"])
def test_nothing_to_show_is_refused(name: str) -> None:
    with pytest.raises(pictures.PictureError):
        getattr(pictures, name)(diagnosed(k_hat=torch.tensor([torch.nan])))
