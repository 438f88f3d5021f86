"""Fused optimizers: taken where nothing else was asked for, and the same learning."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyro
import pytest
import torch
from pyro.distributions import Normal
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, RMSprop

import dgmppl
from dgmppl.inference.direct_adam import DirectAdam
from dgmppl.inference.fused import fuse
from dgmppl.models.vae import VAE
from dgmppl.objectives import MaximumLikelihood


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


def test_transposed_parameters_and_gradients_move_as_contiguous_ones(tmp_path: Path) -> None:
    """Fused kernels walk through memory: gradients and resumed states must lie as parameters do."""

    class Turned(dgmppl.Program):
        def __init__(self, turned: bool) -> None:
            super().__init__()
            start = torch.arange(6.0).reshape(3, 2) / 10
            self.weight = nn.Parameter(start.t().contiguous().t() if turned else start)

        def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
            with dgmppl.data_plate(x, n):
                loc = (self.weight * torch.tensor([[1.0, 2.0]])).sum(-1)
                return pyro.sample("x", Normal(loc, 1.0).to_event(1), obs=x)

    x, ends = torch.randn(8, 3), []
    for turned in (False, True):
        settings = {"objective": MaximumLikelihood(), "progress": False, "batch_size": 4}
        whole = dgmppl.fit(Turned(turned), x, epochs=4, **settings)
        where = tmp_path / str(turned)
        dgmppl.fit(Turned(turned), x, epochs=2, directory=where, **settings)
        rest = dgmppl.fit(Turned(turned), x, epochs=4, directory=where, resume=True, **settings)
        ends += [whole.program.weight, rest.program.weight]
        assert ends[-1].is_contiguous() is not turned
    for end in ends[1:]:
        torch.testing.assert_close(end.contiguous(), ends[0])


@pytest.mark.parametrize("kind", [Adam, AdamW])
@pytest.mark.parametrize(
    "settings", [{}, {"weight_decay": 0.1}, {"betas": (0.5, 0.9), "eps": 1e-3}]
)
def test_the_direct_step_is_the_optimizers_own(kind: Any, settings: dict[str, Any]) -> None:
    """To the bit, while the rate changes, a gradient is missing, and the state is loaded."""
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    theirs = copy.deepcopy(ours)
    pair = [kind(net.parameters(), lr=0.01, fused=True, **settings) for net in (ours, theirs)]
    direct, taken = DirectAdam(pair[0]), []
    for step in range(12):
        for i, (net, optimizer) in enumerate(zip((ours, theirs), pair, strict=True)):
            optimizer.param_groups[0]["lr"] = 0.01 / (1 + step)
            if step == 6:
                optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            torch.manual_seed(step)
            optimizer.zero_grad()
            for j, parameter in enumerate(net.parameters()):
                missing = step == 4 and j == 1
                parameter.grad = None if missing else torch.randn_like(parameter)
            if i:
                optimizer.step()
            else:
                taken.append(direct.step())
                taken[-1] or optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [step for step, was in enumerate(taken) if not was] == [0, 4]


def test_hooks_and_other_optimizers_are_left_to_themselves() -> None:
    net = nn.Linear(2, 1)
    for optimizer in (SGD(net.parameters(), lr=0.1), Adam(net.parameters(), fused=False)):
        net(torch.ones(2)).backward()
        optimizer.step()
        assert not DirectAdam(optimizer).step()
    hooked, calls = Adam(net.parameters(), fused=True), []
    hooked.register_step_pre_hook(lambda *args: calls.append(args))
    hooked.step()
    assert not DirectAdam(hooked).step() and len(calls) == 1
