"""Patches of photographs are white in some directions, and have none of the others."""

from __future__ import annotations

import itertools

import pytest
import torch

from dgmppl.data import load
from dgmppl.data.patches import KEPT, PARTS


def test_patches_are_white_but_for_contrast() -> None:
    x = load("patches", n=4000).values.double()
    assert x.shape == (4000, 144)
    torch.testing.assert_close(x.mean(1), torch.zeros(4000).double(), atol=1e-5, rtol=0)
    variances = torch.linalg.eigvalsh(x.T @ x / len(x))
    assert float(variances[-KEPT - 1]) < 1e-8 < 0.3 < float(variances[-KEPT])
    assert float(variances[-1] / variances[-KEPT]) < 6  # photographs' own: thousands


def test_splits_are_of_different_columns_and_follow_their_seed() -> None:
    edges = sorted(PARTS.values())
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(edges))
    one, same, other = (load("patches", "test", n=20, seed=s).values for s in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert load("patches", n=7).image_shape == (1, 12, 12)
    with pytest.raises(ValueError, match="a set without pixels"):
        from dgmppl.data import DynamicBinarisation

        load("patches", pixels=DynamicBinarisation())
