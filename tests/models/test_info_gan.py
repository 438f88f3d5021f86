"""The code of an InfoGAN is the class of the digits, which it was never told."""

from __future__ import annotations

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from dgmppl.models.info_gan import recipes
from dgmppl.traces import evaluating


def agreement(labels: Tensor, codes: Tensor) -> float:
    """The share of data whose code stands for their label, at the best one-to-one reading."""
    counts = torch.zeros(10, 10)
    counts.index_put_((labels, codes), torch.ones(len(labels)), accumulate=True)
    rows, columns = linear_sum_assignment(-counts.numpy())
    return float(counts[rows, columns].sum()) / len(labels)


@pytest.mark.slow
@torch.no_grad()
def test_its_code_is_the_class() -> None:
    recipe = recipes["info-gan"]
    test = recipe.data(split="test")
    with torch.enable_grad():
        program = recipe.learn(device="cpu", progress=False).program
    with evaluating(program):
        codes = program.recognition(test.values).argmax(-1)
    assert agreement(test.labels, codes) > 0.8
