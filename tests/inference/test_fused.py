"""Fused optimizers: taken where nothing else was asked for, and the same learning."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, RMSprop

import dgmppl
from dgmppl.inference.fused import fuse
from dgmppl.models.vae import VAE


def fused(optimizer: Callable[..., Any], program: nn.Module) -> list[Any]:
    made = fuse(optimizer(program.parameters()), program)
    return [group.get("fused") for group in made.param_groups]


@pytest.mark.parametrize("kind", [Adam, AdamW, SGD])
def test_it_is_taken_where_nothing_else_was_asked_for(kind: Callable[..., Any]) -> None:
    assert fused(kind, nn.Linear(2, 3)) == [True]
    assert fused(kind, nn.Linear(2, 3).double()) == [True]


@pytest.mark.parametrize(
    ("kind", "program", "expected"),
    [
        (partial(Adam, fused=False), nn.Linear(2, 3), False),
        (partial(Adam, foreach=True), nn.Linear(2, 3), None),
        (partial(Adam, foreach=False), nn.Linear(2, 3), None),
        (partial(AdamW, differentiable=True), nn.Linear(2, 3), None),
        (SGD, nn.Linear(2, 3).bfloat16(), None),
        (SGD, nn.Embedding(2, 3, sparse=True), None),
        (RMSprop, nn.Linear(2, 3), None),
    ],
)
def test_it_is_not_taken(kind: Callable[..., Any], program: nn.Module, expected: Any) -> None:
    assert fused(kind, program) == [expected]


@pytest.mark.parametrize(
    "kind",
    [
        partial(Adam, lr=0.01, amsgrad=True),
        partial(AdamW, lr=0.01),
        partial(SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    ],
)
def test_it_learns_the_same(kind: Callable[..., Any]) -> None:
    """In double precision, over 6 steps, to rounding."""
    x = torch.bernoulli(torch.full((24, 5), 0.3, dtype=torch.float64))
    learned = []
    for optimizer in (kind, partial(kind, fused=False)):
        torch.manual_seed(0)
        program = VAE(data_dim=5, z_dim=2, hidden_features=4).double()
        settings = {"epochs": 2, "batch_size": 8, "compile": False, "progress": False}
        dgmppl.fit(program, x, optimizer=optimizer, **settings)  # type: ignore[arg-type]
        learned.append(program.state_dict())
    for name, value in learned[0].items():
        torch.testing.assert_close(value, learned[1][name], rtol=1e-10, atol=1e-12)
