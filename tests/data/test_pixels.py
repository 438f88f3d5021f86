"""Each treatment of pixels has the mean and the range that it promises."""

import pytest
import torch

from dgmppl.data import Dequantisation, DynamicBinarisation, Grey, StaticBinarisation

GREYS = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]).repeat(20_000, 1)
BINARISATIONS = [DynamicBinarisation(), StaticBinarisation()]
TREATMENTS = [Grey(), *BINARISATIONS, Dequantisation(levels=5)]


@pytest.mark.parametrize("pixels", TREATMENTS, ids=lambda pixels: pixels.label)
def test_shape_dtype_and_source_are_kept(pixels):
    images = GREYS.double().clone()
    result = pixels(pixels.prepare(images))
    assert result.shape == images.shape
    assert result.dtype == images.dtype
    assert torch.equal(images, GREYS.double())


@pytest.mark.parametrize("pixels", BINARISATIONS, ids=lambda pixels: pixels.label)
def test_binary_pixels_have_the_grey_values_as_means(pixels):
    torch.manual_seed(0)
    binary = pixels(pixels.prepare(GREYS))
    assert set(binary.unique().tolist()) == {0.0, 1.0}
    error = (GREYS[0] * (1 - GREYS[0]) / len(GREYS)).sqrt()
    assert ((binary.mean(0) - GREYS[0]).abs() <= 4 * error).all()


def test_dynamic_draws_are_fresh_and_follow_the_global_seed():
    pixels = DynamicBinarisation()
    torch.manual_seed(1)
    first, second = pixels(GREYS), pixels(GREYS)
    torch.manual_seed(1)
    assert not torch.equal(first, second)
    assert torch.equal(first, pixels(GREYS))


def test_a_static_draw_depends_on_its_seed_alone():
    state = torch.get_rng_state()
    drawn = StaticBinarisation(3).prepare(GREYS)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(5)
    assert torch.equal(drawn, StaticBinarisation(3).prepare(GREYS))
    assert not torch.equal(drawn, StaticBinarisation(4).prepare(GREYS))
    assert torch.equal(StaticBinarisation(3)(drawn), drawn)


def test_dequantised_pixels_are_uniform_in_their_levels_bin():
    torch.manual_seed(0)
    pixels = Dequantisation(levels=5)
    noisy = pixels(pixels.prepare(GREYS)) * 5
    assert torch.equal(noisy.floor(), 4 * GREYS)
    within = noisy - noisy.floor()
    assert abs(float(within.mean()) - 0.5) < 4 * (1 / 12 / within.numel()) ** 0.5
    assert not torch.equal(pixels(GREYS), pixels(GREYS))


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_dequantisation_stays_below_one_and_keeps_each_level(levels):
    images = torch.arange(levels).div(levels - 1).repeat(50, 1)
    noisy = Dequantisation(levels)(images)
    assert noisy.min() >= 0
    assert noisy.max() < 1
    assert torch.equal((noisy * levels).floor().long(), torch.arange(levels).repeat(50, 1))


def test_other_grey_levels_are_refused():
    with pytest.raises(ValueError, match="256 equidistant grey levels"):
        Dequantisation().prepare(torch.arange(17) / 16)


def test_one_level_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        Dequantisation(levels=1)


@pytest.mark.parametrize("pixels", TREATMENTS[1:], ids=lambda pixels: pixels.label)
@pytest.mark.parametrize("wrong", [255.0, -0.5, float("nan")])
def test_what_is_no_probability_is_refused(pixels, wrong):
    with pytest.raises(ValueError, match=r"pixels in \[0, 1\].*Try"):
        pixels.prepare(torch.tensor([[0.5, wrong]]))


def test_labels_tell_the_treatments_apart():
    labels = {pixels.label for pixels in [*TREATMENTS, StaticBinarisation(1), Dequantisation()]}
    assert len(labels) == 6
