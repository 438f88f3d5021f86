"""A name, a split and a treatment say which data these are, and the record says it again."""

import json

import pytest
import torch

from dgmppl.data import (
    DataNotFound,
    Dequantisation,
    DynamicBinarisation,
    Grey,
    StaticBinarisation,
    load,
    names,
)

TOYS = ("rings", "ring", "grid", "moons", "spirals", "pinwheel", "squares")
LATER = ("tinyshakespeare", "patches", *TOYS, "furniture", "bars", "sums", "harmonics")


def test_names_lists_all():
    pictures = ("digits", "mnist", "fashion_mnist", "omniglot", "frey_faces")
    assert names() == (*pictures, "newsgroups", *LATER)


def test_digits_need_neither_folder_nor_network():
    data = load("digits")
    assert data.values.dtype == torch.float32
    assert data.values.shape == (1437, 64)
    assert (data.values.min(), data.values.max()) == (0, 1)
    assert data.image_shape == (1, 8, 8)


def test_flattening_keeps_the_order_of_pixels():
    flat, square = load("digits", "test"), load("digits", "test", flatten=False)
    assert square.values.shape == (360, 1, 8, 8)
    assert torch.equal(flat.values.reshape(square.values.shape), square.values)
    assert flat.image_shape == square.image_shape


def test_a_static_draw_does_not_depend_on_the_shape():
    flat = load("digits", "test", StaticBinarisation(2))
    square = load("digits", "test", StaticBinarisation(2), flatten=False)
    assert torch.equal(flat.values.flatten(), square.values.flatten())
    assert torch.equal(flat.draw(), flat.values)


@pytest.mark.parametrize(
    "pixels", [Grey(), DynamicBinarisation(), StaticBinarisation(4), Dequantisation(levels=17)]
)
def test_the_treatment_is_recorded_and_applied(pixels):
    data = load("digits", "test", pixels)
    drawn = data.draw(torch.arange(5))
    assert json.loads(json.dumps(data.record))["pixels"] == pixels.label
    assert drawn.shape == (5, 64)
    if "binarisation" in pixels.label:
        assert set(drawn.unique().tolist()) == {0.0, 1.0}


def test_digits_have_seventeen_levels():
    with pytest.raises(ValueError, match="digits: 17"):
        load("digits", pixels=Dequantisation())


@pytest.mark.parametrize("name", TOYS)
def test_toy_sets_follow_their_seed_alone_and_splits_differ(name):
    state = torch.get_rng_state()
    first = load(name, n=50, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(7)
    assert torch.equal(first.values, load(name, n=50, seed=1).values)
    others = [
        load(name, split, n=50, seed=seed).values
        for split in ("train", "validation", "test")
        for seed in (0, 1, 2)
    ]
    distinct = {tuple(values.flatten().tolist()) for values in others}
    assert len(distinct) == 9
    assert first.record == {
        "name": name,
        "split": "train",
        "seed": 1,
        "number": 50,
        "shape": [2],
    }


@pytest.mark.parametrize(
    ("wrong", "close"), [("mnits", "mnist"), ("Digits", "digits"), ("moon", "moons")]
)
def test_unknown_names_meet_close_ones(wrong, close):
    with pytest.raises(ValueError, match=rf"got '{wrong}'. Try .*{close}"):
        load(wrong)


def test_a_hopeless_name_meets_all():
    with pytest.raises(ValueError, match=r"digits or mnist.*squares"):
        load("zzzzzz")


@pytest.mark.parametrize("name", ["digits", "moons"])
def test_unknown_splits_are_refused(name):
    with pytest.raises(ValueError, match=r"got 'tests'. Try train or"):
        load(name, "tests")


def test_options_of_another_kind_of_set_are_refused():
    with pytest.raises(ValueError, match=r"no n= for 'digits'.*first\(n\)"):
        load("digits", n=10)
    with pytest.raises(ValueError, match="no seed= for 'digits'"):
        load("digits", seed=1)
    with pytest.raises(ValueError, match="no pixels= for 'moons'"):
        load("moons", pixels=DynamicBinarisation())
    with pytest.raises(ValueError, match="at least one point"):
        load("moons", n=0)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "omniglot", "frey_faces"])
def test_a_set_that_is_nowhere_says_how_to_get_it(name):
    with pytest.raises(DataNotFound, match=rf"{name}\.npz.*Try getting the data from http"):
        load(name)
