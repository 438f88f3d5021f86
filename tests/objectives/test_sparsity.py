"""Units that are seldom on: the term is its formula, and learning obeys it."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

import dgmppl
from dgmppl.models.deep_boltzmann import DeepBoltzmann
from dgmppl.models.restricted_boltzmann import RBM
from dgmppl.objectives import ContrastiveDivergence, ObjectiveError, Sparsity
from dgmppl.objectives.objective import Progress

SHOWN = {"device": "cpu", "progress": False}


def test_the_value_is_a_divergence() -> None:
    """Units that are all on half of the time."""
    program = RBM(6, 3)
    with torch.no_grad():
        program.W.zero_()
    binding = dgmppl.bind(program, torch.ones(4, 6))
    value = Sparsity("h", 0.1).value(binding, torch.ones(4, 6), Progress())
    one = 0.1 * math.log(0.1 / 0.5) + 0.9 * math.log(0.9 / 0.5)
    assert float(value) == pytest.approx(-3 * one, rel=1e-5)


def test_units_learn_to_be_off() -> None:
    x = (torch.rand(200, 12) < 0.4).float()
    on = {}
    for weight in (0.0, 5.0):
        torch.manual_seed(0)
        program = RBM(12, 8)
        objective = ContrastiveDivergence(1) + weight * Sparsity("h", 0.05)
        adam = partial(torch.optim.Adam, lr=0.02)
        dgmppl.fit(program, x, objective, epochs=60, optimizer=adam, **SHOWN)
        with torch.no_grad():
            on[weight] = float((x @ program.W + program.b).sigmoid().mean())
    assert on[0.0] > 0.3 and on[5.0] < 0.1


def test_layers_that_it_cannot_serve_are_refused() -> None:
    x = torch.ones(4, 6)
    with pytest.raises(ObjectiveError, match="'g' is none"):
        dgmppl.fit(RBM(6, 3), x, ContrastiveDivergence(1) + Sparsity("g"), **SHOWN)
    with pytest.raises(ObjectiveError, match=r"interacts with the hidden layers \['h2'\]"):
        dgmppl.fit(DeepBoltzmann(6, (3, 2)), x, Sparsity("h1"), **SHOWN)
    with pytest.raises(ValueError, match=r"target in \(0, 1\)"):
        Sparsity("h", 0.0)
