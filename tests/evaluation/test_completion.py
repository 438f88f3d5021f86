"""generate() draws what is missing of a value, where the program can."""

from __future__ import annotations

import pytest
import torch

import dgmppl
from dgmppl.models.char_rnn import CharRNN
from dgmppl.models.made import MADE
from dgmppl.models.nade import OrderlessNADE
from dgmppl.models.pixel_cnn import ClassPixelCNN
from dgmppl.models.vae import VAE


def test_holes_of_numbers_and_masks_of_categories_are_drawn() -> None:
    whole = torch.rand(50, 16).round()
    half = whole.clone()
    half[:, 8:] = torch.nan
    drawn = dgmppl.generate(MADE(16), given={"x": half}, seed=0)["x"]
    assert torch.equal(drawn[:, :8], whole[:, :8])
    assert 0.2 < drawn[:, 8:].mean() < 0.8
    text = torch.randint(5, (3, 9))
    beginning = torch.arange(9) < 4
    drawn = dgmppl.generate(CharRNN(9, 5, 8), given={"x": text}, mask={"x": beginning}, seed=0)["x"]
    assert drawn.dtype == text.dtype and torch.equal(drawn[:, :4], text[:, :4])
    assert not torch.equal(drawn, text)


def test_a_class_and_half_a_picture_are_held_together() -> None:
    x = torch.ones(4, 1, 8, 8)
    x[:, :, 3:] = torch.nan
    y = torch.tensor([0, 1, 2, 3])
    drawn = dgmppl.generate(ClassPixelCNN((1, 8, 8), 8, 2), given={"x": x, "y": y}, seed=0)
    assert torch.equal(drawn["y"], y) and (drawn["x"][:, :, :3] == 1).all()
    assert not drawn["x"].isnan().any()


def test_any_pixels_complete_an_orderless_program() -> None:
    x = torch.ones(4, 9)
    x[:, ::2] = torch.nan
    drawn = dgmppl.generate(OrderlessNADE(9, 8), given={"x": x}, seed=0)["x"]
    assert (drawn[:, 1::2] == 1).all() and not drawn.isnan().any()


def test_what_cannot_be_is_refused_with_a_cure() -> None:
    x = torch.full((2, 16), torch.nan)
    with pytest.raises(ValueError, match="impute"):
        dgmppl.generate(VAE(data_dim=16, z_dim=2), given={"x": x})
    with pytest.raises(ValueError, match="orderless"):
        dgmppl.generate(MADE(16), given={"x": torch.ones(2, 16)}, mask={"x": torch.arange(16) > 3})
    with pytest.raises(ValueError, match="given"):
        dgmppl.generate(MADE(16), mask={"x": torch.arange(16) > 3})
