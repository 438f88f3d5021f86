"""Pixels that are taken away stay away; what is left is treated as ever."""

import pytest
import torch

from dgmppl.data import (
    DynamicBinarisation,
    Grey,
    MissingCompletelyAtRandom,
    StaticBinarisation,
    load,
    missing_as_nan,
)

HALF = torch.full((4_000, 10), 0.5)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5])
def test_each_pixel_is_missing_with_the_rate_independently(rate):
    missing = MissingCompletelyAtRandom(rate=rate).prepare(HALF).isnan().double()
    error = (rate * (1 - rate) / len(HALF)) ** 0.5
    assert ((missing.mean(0) - rate).abs() <= 4 * error).all()
    if rate:
        correlation = torch.corrcoef(missing.T) - torch.eye(10)
        assert correlation.abs().max() < 4.5 / len(HALF) ** 0.5


def test_what_is_missing_stays_and_what_is_left_is_drawn_anew():
    pixels = MissingCompletelyAtRandom(DynamicBinarisation(), seed=3)
    prepared = pixels.prepare(HALF)
    first, second = pixels(prepared), pixels(prepared)
    assert torch.equal(first.isnan(), prepared.isnan())
    assert torch.equal(second.isnan(), prepared.isnan())
    seen = ~prepared.isnan()
    assert set(first[seen].unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(first[seen], second[seen])
    assert abs(float(first[seen].mean()) - 0.5) < 4 * 0.5 / int(seen.sum()) ** 0.5


def test_the_draw_depends_on_its_seed_alone():
    state = torch.get_rng_state()
    drawn = MissingCompletelyAtRandom(seed=3).prepare(HALF)
    assert torch.equal(state, torch.get_rng_state())
    again, other = (MissingCompletelyAtRandom(seed=s).prepare(HALF) for s in (3, 4))
    assert torch.equal(drawn.isnan(), again.isnan())
    assert not torch.equal(drawn.isnan(), other.isnan())


def test_what_is_left_is_the_treatment_without_it():
    static = StaticBinarisation(1)
    part = load("digits", "test", MissingCompletelyAtRandom(static))
    whole = load("digits", "test", static).draw()
    seen = ~part.draw().isnan()
    assert torch.equal(part.draw()[seen], whole[seen])
    assert part.record["pixels"] == (
        "static binarisation (own draw, seed 1), 50% missing completely at random (seed 0)"
    )
    part.check(missing=True)
    with pytest.raises(ValueError, match="NaN"):
        part.check()


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_outside_its_range_is_refused(rate):
    with pytest.raises(ValueError, match="Expected a rate"):
        MissingCompletelyAtRandom(Grey(), rate)


def test_masks_have_the_structure_of_the_batch():
    x = {"a": torch.tensor([1.0, 2.0]), "b": (torch.tensor([1, 2]), torch.tensor([3, 4]))}
    mask = {"b": (torch.tensor([True, False]), None)}
    read = missing_as_nan({"x": x, "mask": mask})
    assert read["a"] is x["a"] and read["b"][1] is x["b"][1]
    assert read["b"][0].isnan().tolist() == [False, True]
    assert missing_as_nan(x) is x
