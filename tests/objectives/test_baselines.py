"""What baselines expect, and that a run keeps and resumes them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from enumerable import Switch, data

import dgmppl
from dgmppl.inference import read_checkpoint
from dgmppl.objectives import (
    ELBO,
    IWAE,
    InputDependent,
    LeaveOneOut,
    MovingAverage,
    ObjectiveError,
    ScoreFunction,
)

NVIL = ELBO(gradient=ScoreFunction(baseline=InputDependent(hidden_features=4)))


def test_a_moving_average_is_unbiased_from_its_first_step() -> None:
    expect = MovingAverage(decay=0.9).state(("a", "b"), None)
    for _ in range(5):
        expect("a", torch.full((2, 3), 7.0), None)
    torch.testing.assert_close(expect("a", torch.zeros(2, 3), None)[0], torch.tensor(7.0))
    assert float(expect("b", torch.zeros(2, 3), None)[0]) == 0.0


def test_evaluation_moves_no_average() -> None:
    expect = MovingAverage().state(("a",), None).eval()
    expect("a", torch.ones(1, 3), None)
    assert float(expect("a", torch.ones(1, 3), None)[0]) == 0.0


def test_a_network_learns_what_depends_on_the_datum() -> None:
    x = torch.linspace(-1, 1, 50)[:, None]
    expect = InputDependent(hidden_features=20).state(("a",), x)
    optimizer = torch.optim.Adam(expect.parameters(), lr=0.03)
    for _ in range(400):
        loss = expect("a", 3 * x.T + 1, x)[1]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = expect("a", torch.zeros(1, 50), x)[0]
    assert (found - (3 * x[:, 0] + 1)).abs().max() < 0.3


def test_leaving_one_out_needs_others() -> None:
    binding = dgmppl.bind(Switch(), data())
    for objective in (ELBO, IWAE):
        with pytest.raises(ObjectiveError, match="LeaveOneOut"):
            objective(1, ScoreFunction(baseline=LeaveOneOut())).check(binding)
    ELBO(2, ScoreFunction(baseline=LeaveOneOut())).check(binding)


def test_a_resumed_run_has_its_baseline_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings = {"batch_size": 2, "device": "cpu", "progress": False}
    whole = dgmppl.fit(Switch(), data(6), NVIL, epochs=4, directory=tmp_path / "a", **settings)
    dgmppl.fit(Switch(), data(6), NVIL, epochs=2, directory=tmp_path / "b", **settings)
    dgmppl.fit(Switch(), data(6), NVIL, epochs=2, directory=tmp_path / "c", **settings)
    again = dgmppl.fit(
        Switch(), data(6), NVIL, epochs=4, directory=tmp_path / "b", resume=True, **settings
    )
    for one, other in zip(whole.program.parameters(), again.program.parameters(), strict=True):
        assert torch.equal(one, other)
    half = read_checkpoint(tmp_path / "c" / "last.safetensors")["objective"]
    states = [read_checkpoint(tmp_path / n / "last.safetensors")["objective"] for n in "ab"]
    assert states[0].keys() == states[1].keys() and len(states[0]) > 4
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not any(torch.equal(states[0][name], half[name]) for name in half)  # it learns on
