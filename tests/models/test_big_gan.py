"""A GAN of classes draws the class that it is asked for."""

from __future__ import annotations

import pytest
import torch

import dgmppl
from dgmppl.data import load
from dgmppl.evaluation import energy_distance, learn_classifier
from dgmppl.models.big_gan import recipes


@pytest.mark.slow
def test_a_classifier_names_the_class_of_draws() -> None:
    program = recipes["big-gan"].learn(device="cpu", progress=False).program
    classifier = learn_classifier(load("digits", flatten=False), epochs=15)
    y = torch.arange(10).repeat(100)
    x = dgmppl.generate(program, given={"y": y}, seed=0)["x"]
    named = classifier.probabilities(x.reshape(-1, 1, 8, 8)).argmax(-1)
    assert all(float((named[y == k] == k).float().mean()) > 0.8 for k in range(10))
    assert float((named == y).float().mean()) > 0.95
    assert energy_distance(x[:360], load("digits", "test").values).value < 0.02
