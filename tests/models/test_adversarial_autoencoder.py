"""Codes that a critic draws to the prior cannot be told from it; an autoencoder's own can."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dgmppl.evaluation import energy_distance
from dgmppl.objectives import ELBO
from dgmppl.recipes import Recipe, find_recipes

#: Of both tests: one true hypothesis in a hundred is refused by chance (in twenty, at 0.05).
LEVEL = 0.01


def codes(recipe: Recipe) -> Tensor:
    """One draw of q(z|x) for each held-out digit, after learning."""
    run = recipe.learn(device="cpu", progress=False)
    with torch.no_grad():
        return run.program.guide(recipe.data(split="test").draw())


@pytest.mark.slow
def test_the_codes_of_all_data_pass_for_draws_of_the_prior() -> None:
    recipe = find_recipes()["adversarial-autoencoder"]
    found = codes(recipe)
    prior = torch.randn_like(found)
    assert energy_distance(prior, found, permutations=500).p_value > LEVEL
    plain = codes(
        Recipe(
            recipe.program,
            ELBO(temper={"z": 0.0}),
            recipe.data,
            optimizer=recipe.optimizer,
            epochs=20,
        )
    )
    assert energy_distance(prior, plain, permutations=500).p_value < LEVEL
