"""Some labels come into view, and nothing else of the data changes."""

from __future__ import annotations

import json

import pytest
import torch

from dgmppl.data import DynamicBinarisation, SomeLabels, TensorData, load, shown

DIGITS = load("digits")


@pytest.mark.parametrize("copies", [1, 3])
def test_every_class_shows_as_many(copies: int) -> None:
    data = SomeLabels(50, copies=copies)(DIGITS)
    y = data.values["y"]
    assert y[y >= 0].bincount().tolist() == [5 * copies] * 10
    assert (y < 0).sum() == len(DIGITS) - 50
    assert json.loads(json.dumps(data.record))["labels"].startswith("50 of 1437 shown")


def test_what_is_shown_is_true_and_the_rest_is_as_it_was() -> None:
    data = SomeLabels(100)(DIGITS)
    y = data.values["y"]
    assert torch.equal(y[y >= 0], DIGITS.labels[y >= 0])
    assert torch.equal(data.values["x"], DIGITS.values)
    assert torch.equal(data.labels, DIGITS.labels) and data.image_shape == (1, 8, 8)


def test_copies_are_of_the_labelled_data() -> None:
    once, thrice = SomeLabels(20)(DIGITS), SomeLabels(20, copies=3)(DIGITS)
    assert torch.equal(thrice.values["x"][: len(once)], once.values["x"])
    x, y = (thrice.values[name][len(once) :] for name in ("x", "y"))
    rows = once.values["y"] >= 0
    assert sorted(map(tuple, x.tolist())) == sorted(map(tuple, once.values["x"][rows].tolist() * 2))
    assert (y >= 0).all()


def test_the_seed_chooses() -> None:
    views = [SomeLabels(100, seed)(DIGITS).values["y"] for seed in (0, 0, 1)]
    assert torch.equal(views[0], views[1]) and not torch.equal(views[0], views[2])


def test_pixels_are_treated_and_labels_are_not() -> None:
    batch = load("digits", pixels=DynamicBinarisation(), labels=SomeLabels(None)).draw()
    assert set(batch["x"].unique().tolist()) == {0.0, 1.0}
    assert torch.equal(batch["y"], DIGITS.labels)


def test_labels_of_held_out_data_stay_hidden() -> None:
    data = load("digits", "test", labels=SomeLabels(100, copies=5))
    assert len(data) == 360 and (data.values["y"] == -1).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SomeLabels(25)(DIGITS), "Try 20"),
        (lambda: SomeLabels(10_000)(DIGITS), "smallest has"),
        (lambda: SomeLabels(copies=0), "copies"),
        (lambda: SomeLabels()(TensorData(torch.zeros(3))), "with labels"),
    ],
)
def test_refusals(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("wrong", [3, -2])
def test_a_label_that_is_none_is_refused(wrong: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 2, or -1"):
        shown(torch.tensor([0, wrong, 2]), num_classes=3)
