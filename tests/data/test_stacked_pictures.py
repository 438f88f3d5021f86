"""Three pictures a datum, each with its own label."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dgmppl.data import load, stacked


def test_channels_are_pictures_of_the_set_with_their_labels() -> None:
    digits, data = load("digits"), stacked(name="digits", n=50)
    assert isinstance(data.values, Tensor) and data.labels is not None
    assert isinstance(digits.values, Tensor) and digits.labels is not None
    known = {
        tuple(row.tolist()): int(y) for row, y in zip(digits.values, digits.labels, strict=True)
    }
    for picture, label in zip(data.values, data.labels.tolist(), strict=True):
        red, green, blue = (known[tuple(channel.flatten().tolist())] for channel in picture)
        assert label == 100 * red + 10 * green + blue


def test_seeds_choose_the_triples() -> None:
    one, same, other = (stacked(name="digits", n=9, seed=s).values for s in (0, 0, 1))
    assert isinstance(one, Tensor) and isinstance(same, Tensor) and isinstance(other, Tensor)
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert stacked(name="digits", n=9, seed=1).record["stacking_seed"] == 1


def test_only_labelled_pictures_are_stacked() -> None:
    with pytest.raises(ValueError, match="grey pictures with labels, got 'ring'"):
        stacked(name="ring")
