"""Clouds are near what they are near to, and sets of them are told apart where they differ."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from dgmppl.data import load
from dgmppl.evaluation import chamfer_distance, cloud_measures


def clouds(split: str, n: int = 60) -> Tensor:
    values = load("furniture", split, n=n).values
    assert isinstance(values, Tensor)
    return values


def test_chamfer_distance_is_its_formula() -> None:
    one, two = torch.randn(2, 5, 3), torch.randn(4, 7, 3)
    found = chamfer_distance(one, two)
    for i, j in ((0, 0), (1, 3)):
        pairs = [[float((a - b).square().sum()) for b in two[j]] for a in one[i]]
        there = sum(min(row) for row in pairs) / 5
        back = sum(min(column) for column in zip(*pairs, strict=True)) / 7
        assert float(found[i, j]) == pytest.approx(there + back, rel=1e-4)
    torch.testing.assert_close(found.T, chamfer_distance(two, one))


def test_the_order_of_points_does_not_matter() -> None:
    some = clouds("train", 6)
    shuffled = torch.stack([cloud[torch.randperm(128)] for cloud in some])
    assert float(chamfer_distance(some, shuffled).diagonal().abs().max()) < 1e-6


def test_equal_sets_pass_and_poor_ones_fail() -> None:
    data, others = clouds("test"), clouds("train")
    coverage, matching, accuracy = cloud_measures(data, others)
    assert abs(accuracy.value - 0.5) < 4 * math.sqrt(0.25 / 120)
    one = cloud_measures(data, others[:1].expand(60, -1, -1))
    assert one[0].value == 1 / 60 and one[1].value > 2 * matching.value
    noisy = cloud_measures(data, others + 0.3 * torch.randn_like(others))
    assert noisy[2].value > 0.9 and noisy[1].value > 1.2 * matching.value
    assert coverage.value > one[0].value


def test_as_many_clouds_are_needed() -> None:
    with pytest.raises(ValueError, match="as many clouds"):
        cloud_measures(clouds("test", 4), clouds("train", 5))
