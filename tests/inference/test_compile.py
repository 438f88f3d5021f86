"""Learning by graphs ends where learning by the program ends, or says why it does not begin."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pytest
import torch
from linear_gaussian import LinearGaussian
from linear_gaussian import data as some_data
from pyro.distributions import Bernoulli, Normal
from torch import Tensor, nn

import dgmppl
from dgmppl.lowering import Inductor, LoweringError, Plain, backends_for
from dgmppl.lowering.graphs import OFTEN
from dgmppl.objectives import (
    ELBO,
    IWAE,
    DoublyReparameterized,
    InputDependent,
    MovingAverage,
    ReweightedWakeSleep,
    ScoreFunction,
    WakeSleep,
)
from dgmppl.schedules import Linear

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")


def learned(
    make: Callable[[], nn.Module], compile: Any, x: Any, objective: Any = None, **settings: Any
) -> tuple[nn.Module, dgmppl.inference.Run]:
    torch.manual_seed(0)
    program = make()
    settings = {"epochs": 3, "batch_size": 8, **settings}
    run = dgmppl.fit(program, x, objective, compile=compile, progress=False, **settings)
    return program, run


def same(
    make: Callable[[], nn.Module], x: Any, objective: Any = None, **settings: Any
) -> dgmppl.inference.Run:
    """Learns with and without graphs, and compares to the bit."""
    a, by_program = learned(make, False, x, objective, **settings)
    b, by_graph = learned(make, Plain(), x, objective, **settings)
    for name, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[name]), name
    assert by_program.history["value"] == by_graph.history["value"]
    assert not by_program.notes and all("by a plain graph" in note for note in by_graph.notes)
    return by_graph


class Noisy(dgmppl.Program):
    """Two latents whose guide has dropout, and a decoder with running statistics."""

    def __init__(self, discrete: bool = False) -> None:
        super().__init__()
        self.discrete = discrete
        self.encoder = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3), nn.Tanh(), nn.Linear(8, 4))
        self.decoder = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))
        self.decode = dgmppl.networks.flatten_batch(self.decoder, event_dim=1)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            a = pyro.sample("a", Normal(torch.zeros(2), 1.0).to_event(1))
            b = pyro.sample("b", Normal(a, 1.0).to_event(1))
            mean = self.decode(torch.cat([a, b], -1))
            return pyro.sample("x", Normal(mean, 0.5).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            loc_a, loc_b = self.encoder(x).chunk(2, -1)
            a = pyro.sample("a", Normal(loc_a, 0.7).to_event(1))
            pyro.sample("b", Normal(loc_b + a, 0.7).to_event(1))


class Binary(dgmppl.Program):
    """One binary latent a datum."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.decoder = nn.Linear(3, 2), nn.Linear(2, 3)

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Bernoulli(logits=torch.zeros(2)).to_event(1))
            return pyro.sample("x", Normal(self.decoder(z), 1.0).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        with dgmppl.data_plate(x):
            pyro.sample("z", Bernoulli(logits=self.net(x)).to_event(1))


X = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "objective",
    [
        ELBO(),
        ELBO(temper={"a": Linear(0.1, 1.0, epochs=2), "b": 2.0}, free_bits=Linear(1.0, 0.0, 2)),
        IWAE(4, gradient=DoublyReparameterized()),
        ELBO(2, gradient=ScoreFunction(baseline=MovingAverage())),
        0.5 * ELBO() + 0.5 * IWAE(3),
    ],
    ids=repr,
)
def test_the_same_bits_with_dropout_and_running_statistics(objective: Any) -> None:
    """Over schedules, repeated draws and a last batch of four, which the program itself learns."""
    run = same(Noisy, X, objective)
    assert run.step == 9


@pytest.mark.parametrize(
    "objective",
    [
        IWAE(3),
        ELBO(gradient=ScoreFunction(baseline=InputDependent())),
        WakeSleep(),
        ReweightedWakeSleep(4),
    ],
    ids=repr,
)
def test_the_same_bits_for_games_and_baselines(objective: Any) -> None:
    run = same(Binary, X, objective)
    assert len(run.notes) == len({row["phase"] for row in run.history.steps})


def test_the_same_bits_with_clipping_schedules_and_half_precision() -> None:
    settings: dict[str, Any] = {
        "clip_gradient": lambda p: torch.nn.utils.clip_grad_norm_(p, 0.1),
        "schedule": lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.5),
        "optimizer": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        "amp": torch.bfloat16,
    }
    same(Noisy, X, **settings)


@needs_compiler
def test_inductor_learns_the_same_up_to_rounding() -> None:
    double = X.double()
    a, _ = learned(lambda: Binary().double(), False, double, IWAE(3))
    b, run = learned(lambda: Binary().double(), Inductor(), double, IWAE(3))
    assert "by inductor in" in run.notes[0]
    for name, value in a.state_dict().items():
        torch.testing.assert_close(value, b.state_dict()[name], rtol=1e-9, atol=1e-12)


def test_a_kind_of_batch_that_comes_often_gets_a_graph_of_its_own() -> None:
    x = X[:12]  # batches of 8 and 4
    run = same(lambda: LinearGaussian(1.0), some_data(12), epochs=OFTEN + 3)
    assert x.shape[0] == 12 and len(run.notes) == 2


def test_evaluation_mode_is_another_kind() -> None:
    """A callback that freezes running statistics in the middle is obeyed."""

    def freeze(run: dgmppl.inference.Run) -> None:
        decoder = run.program.decoder.eval()
        decoder.train = lambda mode=True: decoder

    same(Noisy, X[:16], callbacks=[freeze])


def test_resuming_in_the_middle_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole, _ = learned(Noisy, Plain(), X, epochs=4)
    learned(Noisy, Plain(), X, epochs=2, directory=tmp_path / "run")
    rest, _ = learned(Noisy, Plain(), X, epochs=4, directory=tmp_path / "run", resume=True)
    assert all(torch.equal(v, rest.state_dict()[n]) for n, v in whole.state_dict().items())


def test_the_choice_depends_on_the_number_of_steps() -> None:
    assert backends_for("auto", 999) == backends_for(False, 10**6) == ()
    assert backends_for("auto", 1_000) == (Plain(),)
    assert backends_for("auto", 10_000) == backends_for(True, 1) == (Inductor(), Plain())
    assert backends_for(Plain(), 1) == (Plain(),)
    with pytest.raises(ValueError, match="Expected compile="):
        backends_for("yes", 1)  # type: ignore[arg-type]


class Branching(Binary):
    """Looks at its data in Python."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        if x is not None and x.sum() > 1e9:
            raise ValueError("too much")
        return super().model(x, n)


class Foreign(Binary):
    """Draws from NumPy and Python."""

    def guide(self, x: Tensor) -> None:
        self.noise = np.random.rand() + random.random()
        super().guide(x + self.noise)


class Forgetful(Binary):
    """Does something else the second time, which no graph can know."""

    calls = 0

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        self.calls += 1
        return super().model(None if x is None else x + self.calls, n)


REFUSED = {
    Branching: r"a value is read in Python \(.*\) \(inference/test_compile\.py, line \d+\)",
    Foreign: "numpy draws random numbers",
    Forgetful: "the graph gives another result",
}


@pytest.mark.parametrize("make", REFUSED)
def test_what_has_no_graph_is_refused_where_one_is_asked_for(make: type[nn.Module]) -> None:
    with pytest.raises(LoweringError, match=f"{REFUSED[make]}.*Try compile=False"):
        learned(make, Plain(), X)
    with pytest.raises(LoweringError, match="chunks of particles"):
        learned(Noisy, Plain(), X, IWAE(4, chunk_size=2))


@pytest.mark.parametrize("make", [Branching, Foreign])
def test_and_learned_by_the_program_where_not(
    make: type[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgmppl.lowering.choice.PLAIN_FROM", 1)
    a, run = learned(make, "auto", X, WakeSleep())
    b, _ = learned(make, False, X, WakeSleep())
    assert all(torch.equal(v, b.state_dict()[n]) for n, v in a.state_dict().items())
    assert "not compiled: " in run.notes[0] and "by a plain graph" not in run.notes[0]


class LeavesAnObject(ELBO):
    """Two phases, of which the first leaves more than tensors to the second."""

    def phases(self, binding: Any) -> Any:
        (phase,) = super().phases(binding)

        def leave(binding: Any, x: Any, progress: Any) -> Any:
            progress.memory["object"] = Normal(x, 1.0)
            return phase.loss(binding, x, progress)

        def find(binding: Any, x: Any, progress: Any) -> Any:
            assert torch.equal(progress.memory["object"].loc, x)
            return phase.loss(binding, x, progress)

        return replace(phase, loss=leave), replace(phase, loss=find)


def test_objects_between_phases_are_left_to_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph would go on with the tensors that the first one held."""
    with pytest.raises(LoweringError, match="a Normal goes in or out"):
        learned(lambda: LinearGaussian(1.0), Plain(), some_data(20), LeavesAnObject())
    monkeypatch.setattr("dgmppl.lowering.choice.PLAIN_FROM", 1)
    _, run = learned(lambda: LinearGaussian(1.0), "auto", some_data(20), LeavesAnObject())
    assert len(run.notes) == 2 and all("not compiled: a Normal" in note for note in run.notes)
