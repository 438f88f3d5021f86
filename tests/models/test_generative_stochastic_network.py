"""What the chain draws has the moments of what it learned from."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import dgmppl
from dgmppl.models.generative_stochastic_network import recipes
from dgmppl.randomness import seeded


def moments(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Means, and how often two pixels are on together."""
    rows, columns = torch.triu_indices(64, 64, 1)
    return pixels.mean(0), (pixels.T @ pixels / len(pixels))[rows, columns]


@pytest.mark.slow
def test_its_chain_has_the_moments_of_the_data() -> None:
    recipe = recipes["generative-stochastic-network"]
    train = recipe.data(split="train")
    with seeded(0):
        data = torch.cat([train.draw() for _ in range(5)])
    program = recipe.learn(train, progress=False).program
    means, pairs = moments(data)
    found_means, found_pairs = moments(dgmppl.generate(program, 4000, seed=0)["x"])
    assert float((means - found_means).square().mean().sqrt()) < 0.04
    assert float(torch.corrcoef(torch.stack([pairs, found_pairs]))[0, 1]) > 0.97
