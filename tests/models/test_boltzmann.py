"""What Boltzmann machines learn, on digits and documents."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import dgmppl
from dgmppl.energy import machine_of
from dgmppl.evaluation import Annealing, perplexity, unigram_perplexity
from dgmppl.models import (
    deep_boltzmann,
    gaussian_boltzmann,
    replicated_softmax,
    restricted_boltzmann,
)
from dgmppl.models.deep_boltzmann import DeepBoltzmann, TwoLayers

ANNEALING = Annealing(steps=1000, chains=100)


def score(recipe: Any) -> float:
    """Held-out log p(x), nats, or its bound."""
    program = recipe.learn(device="cpu", progress=False).program
    test = recipe.data(split="test")
    return dgmppl.evidence(program, test, annealing=ANNEALING, seed=0).mean


def test_layers_of_a_deep_machine_have_copies() -> None:
    """Below the top the lower layer has one, above the bottom the upper one."""
    torch.manual_seed(0)
    deep = DeepBoltzmann(6, (5, 4, 3))
    x = torch.ones(2, 6)
    assert machine_of(deep, x).blocks == (("v", "h2"), ("h1", "h3"))
    below = [(TwoLayers(deep, i), torch.ones(2, size)) for i, size in enumerate((6, 5, 4))]
    names = [[*machine_of(pair, states).layers] for pair, states in below]
    assert names == [["v0", "v1", "h0"], ["v0", "v1", "h0", "h1"], ["v0", "h0", "h1"]]
    machine = machine_of(TwoLayers(deep, 0), x)
    field = machine.fields(machine.filled({"v0": x, "v1": x}), ["h0"])["h0"].linear
    torch.testing.assert_close(field, 2 * x @ deep.weight[0] + deep.bias[1])


@pytest.mark.slow
def test_pretraining_helps_a_deep_machine() -> None:
    plain, pretrained = (score(deep_boltzmann.recipes[n]) for n in ("dbm-2", "dbm-2-pretrained"))
    assert pretrained > plain + 1.0
    assert pretrained > score(restricted_boltzmann.recipes["rbm-pcd"])


@pytest.mark.slow
def test_more_steps_and_chains_of_their_own_do_not_harm() -> None:
    """All three of them are above independent pixels."""
    recipes = restricted_boltzmann.recipes
    train, test = (recipes["rbm-cd1"].data(split=s).draw() for s in ("train", "test"))
    p = train.mean(0).clamp(1e-3, 1 - 1e-3)
    alone = float((test * p.log() + (1 - test) * (-p).log1p()).sum(1).mean())
    for name in ("rbm-cd1", "rbm-cd25", "rbm-pcd"):
        assert score(recipes[name]) > alone + 2.0


@pytest.mark.slow
def test_topics_halve_the_perplexity() -> None:
    recipe = replicated_softmax.recipes["replicated-softmax"]
    program = recipe.learn(device="cpu", progress=False).program
    train, test = (recipe.data(split=split).values for split in ("train", "test"))
    some = test[:500]
    assert perplexity(program, some).value < 0.55 * unigram_perplexity(train, some).value


@pytest.mark.slow
def test_filters_of_patches_are_oriented() -> None:
    """Gradients of a filter point along one axis: its structure tensor has one large eigenvalue."""
    recipe = gaussian_boltzmann.recipes["patches-rbm"]
    program = recipe.learn(device="cpu", progress=False).program
    filters = program.W.detach().T.reshape(-1, 12, 12)

    def coherence(pictures: torch.Tensor) -> float:
        across, down = (pictures.diff(dim=d)[:, :11, :11] for d in (2, 1))
        xx, yy, xy = (p.sum((1, 2)) for p in (across.square(), down.square(), across * down))
        return float((((xx - yy).square() + 4 * xy.square()).sqrt() / (xx + yy)).mean())

    white = recipe.data(split="train").values
    noise = torch.randn(100, 144) @ (white.T @ white)
    assert coherence(filters) > 0.5 > 2 * coherence(noise.reshape(-1, 12, 12))
