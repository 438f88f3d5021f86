"""The loop: what it moves, what it leaves alone, when it stops, what it reports."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pytest
import torch
from enumerable import Mixture
from enumerable import data as few_numbers
from linear_gaussian import LinearGaussian
from linear_gaussian import data as some_data
from pyro.distributions import Normal
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import dgmppl
from dgmppl.binding import bind
from dgmppl.inference import (
    EarlyStopping,
    History,
    NonFiniteError,
    Run,
    load_parameters,
    read_checkpoint,
)
from dgmppl.objectives import ELBO, IWAE, ExpectationMaximization, ObjectiveError, Progress
from dgmppl.randomness import restore, seeded, snapshot

GUIDE = {"gain", "offset", "log_scale"}
fit = partial(dgmppl.fit, progress=False, epochs=3, batch_size=5)


def state(program: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in program.state_dict().items()}


def moved(program: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {n for n, value in program.state_dict().items() if not torch.equal(value, before[n])}


# --- random numbers


def test_a_seed_is_all_it_takes() -> None:
    x, results = some_data(20), []
    for before, seed in ((0, 1), (5, 1), (0, 2)):
        pyro.set_rng_seed(before)
        program = LinearGaussian(1.0)
        fit(program, x, seed=seed)
        results.append(state(program))
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])
    assert not torch.equal(results[0]["W"], results[2]["W"])


def test_the_callers_random_numbers_run_on() -> None:
    def draw() -> tuple[float, float, float, float]:
        return torch.rand(()).item(), torch.randn(()).item(), np.random.rand(), random.gauss(0, 1)

    draw()
    kept = snapshot()
    expected = draw()
    restore(kept)
    fit(LinearGaussian(1.0), some_data(20), validation=some_data(5))
    assert draw() == expected


def test_every_generator_is_put_back() -> None:
    np.random.randn()  # leaves a second Gaussian waiting
    random.gauss(0, 1)
    kept = snapshot()
    expected = (np.random.randn(), random.gauss(0, 1), np.random.rand())
    restore(kept)
    with seeded(3):
        first = (np.random.randn(), random.gauss(0, 1), torch.rand(()))
    with seeded(3):
        assert (np.random.randn(), random.gauss(0, 1), torch.rand(())) == first
    assert (np.random.randn(), random.gauss(0, 1), np.random.rand()) == expected


# --- whose parameters move


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({"model": 0.1, "guide": 0.0}, {"W", "b", "log_sigma"}),
        ({"model": 0.0, "guide": 0.1}, GUIDE),
    ],
)
def test_each_role_has_its_optimizer(rates: dict[str, float], expected: set[str]) -> None:
    program = LinearGaussian(1.0)
    before = state(program)
    optimizers = {role: partial(torch.optim.SGD, lr=rate) for role, rate in rates.items()}
    fit(program, some_data(20), optimizer=optimizers)
    assert moved(program, before) == expected


def test_a_missing_role_is_named() -> None:
    with pytest.raises(ValueError, match="optimizer for the role 'guide'"):
        fit(LinearGaussian(), some_data(), optimizer={"model": torch.optim.Adam})


def test_frozen_parameters_stay_and_no_gradient_is_left() -> None:
    program = LinearGaussian(1.0)
    program.W.requires_grad_(False)
    before = state(program)
    fit(program, some_data(20))
    assert moved(program, before) == {*before} - {"W"}
    assert all(parameter.grad is None for parameter in program.parameters())


def test_one_step_is_the_optimizers_step() -> None:
    """A plain step of gradient descent on minus the bound."""
    program, x = LinearGaussian(1.0), some_data(20)
    twin = LinearGaussian(1.0)
    rate = 0.1

    fit(program, x, ELBO(num_particles=4000), epochs=1, batch_size=None, optimizer=sgd(rate))
    slope = torch.autograd.grad(twin.elbo(x).mean(), list(twin.parameters()))
    for new, old, grad in zip(program.parameters(), twin.parameters(), slope, strict=True):
        assert torch.allclose(new, old + rate * grad, atol=2e-2)


def sgd(rate: float) -> Any:
    return partial(torch.optim.SGD, lr=rate)


def test_a_program_without_parameters_is_refused() -> None:
    class Fixed(dgmppl.Program):
        def model(self, x: Tensor | None = None, n: int = 1) -> None:
            with dgmppl.data_plate(x, n):
                pyro.sample("x", Normal(0.0, 1.0), obs=x)

    with pytest.raises(ObjectiveError, match="no parameter to move"):
        fit(Fixed(), torch.zeros(3))


# --- learning rates, clipping, precision


def test_a_schedule_is_stepped_each_epoch() -> None:
    rates: list[float] = []

    class Watched(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    schedule = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5)
    fit(LinearGaussian(), some_data(10), optimizer=partial(Watched, lr=0.1), schedule=schedule)
    assert rates == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025, 0.025])


def test_gradients_are_clipped() -> None:
    program = LinearGaussian(1.0)
    before = state(program)
    clip = partial(nn.utils.clip_grad_norm_, max_norm=1e-3)
    fit(program, some_data(5), epochs=1, optimizer=sgd(1.0), clip_gradient=clip)
    step = torch.cat([(p - before[n]).flatten() for n, p in program.state_dict().items()])
    assert step.norm() == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("amp", [torch.bfloat16, torch.float16])
def test_mixed_precision(amp: torch.dtype) -> None:
    """The bound rises, parameters stay in single precision, and rows are numbers."""
    program = LinearGaussian(1.0).float()
    run = fit(program, some_data(50).float(), epochs=30, amp=amp, optimizer=sgd(0.05))
    assert {p.dtype for p in program.parameters()} == {torch.float32}
    values = [row["value"] for row in run.history.epochs]
    assert values[-1] > values[0] + 0.5


def test_half_precision_survives_several_steps_a_phase() -> None:
    objective = ExpectationMaximization(maximization_steps=3)
    run = fit(Mixture().float(), few_numbers(20).float(), objective, amp=torch.float16)
    assert len(run.history.steps) == 3 * 4 * (1 + 3)


# --- epochs, validation, history


def test_epochs_are_counted_by_the_loaders_own_batches() -> None:
    seen: list[float] = []

    def power(epoch: float) -> float:
        seen.append(epoch)
        return 1.0

    loader = DataLoader(TensorDataset(some_data(20)), batch_size=5)
    fit(LinearGaussian(), loader, ELBO(temper=power), epochs=2, batch_size=128)
    assert seen == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75])


@pytest.mark.parametrize("loaded", [False, True])
def test_validation_weighs_every_datum_alike(loaded: bool) -> None:
    """Seven data in batches of five and two."""
    program, held = LinearGaussian(), some_data(7, seed=9)
    data = DataLoader(TensorDataset(held), batch_size=5) if loaded else held
    objective = ELBO(analytic_kl=False)  # exact at every draw, for the guide is the posterior
    run = fit(program, some_data(20), objective, validation=data, epochs=1, optimizer=sgd(0.0))
    truth = program.log_evidence(held).mean().item()
    assert run.history.epochs[0]["validation"] == pytest.approx(truth)


def test_the_best_parameters_are_kept(tmp_path: Path) -> None:
    program, x = LinearGaussian(1.0), some_data(20)
    run = fit(program, x, validation=x, epochs=8, optimizer=sgd(0.3), directory=tmp_path)
    values = [row["validation"] for row in run.history.epochs]
    best = read_checkpoint(tmp_path / "best.safetensors")
    assert best["best"] == max(values)
    assert best["position"][0] == values.index(max(values)) + 1
    twin = LinearGaussian()
    load_parameters(twin, best["program"])


def test_early_stopping() -> None:
    run = Run(nn.Identity(), ELBO(), History())
    stopping = EarlyStopping(patience=2, min_delta=0.5)
    for value, ended in ((1.0, False), (2.0, False), (2.4, False), (1.0, True)):
        run.history.add("epochs", {"validation": value})
        stopping(run)
        assert bool(run.reason) is ended
    assert "since epoch 2" in run.reason


def test_early_stopping_ends_a_fit() -> None:
    stopping = EarlyStopping(patience=2, min_delta=100.0)
    x = some_data(20)
    run = fit(LinearGaussian(), x, validation=x, epochs=50, callbacks=[stopping])
    assert run.epoch == len(run.history.epochs) == 3
    with pytest.raises(ValueError, match=r"validation set.*fit\(…, validation=…\)"):
        fit(LinearGaussian(), x, callbacks=[stopping])


def test_history_has_a_row_a_step_and_an_epoch(tmp_path: Path) -> None:
    run = fit(LinearGaussian(1.0), some_data(12), directory=tmp_path)
    assert [row["step"] for row in run.history.steps] == [*range(1, 10)]
    assert [row["batch"] for row in run.history.steps] == [0, 1, 2] * 3
    assert [row["epoch"] for row in run.history.epochs] == [1, 2, 3]
    for name in ("value", "x", "kl_z"):
        first = [row[name] for row in run.history.steps[:3]]
        assert run.history.epochs[0][name] == pytest.approx(sum(first) / 3)
    read = History.read(tmp_path / "metrics.jsonl")
    assert read.steps == run.history.steps and read.epochs == run.history.epochs
    assert read["value"] == run.history["value"]


def test_the_mode_is_training_while_learning_and_not_while_validating() -> None:
    class Watched(LinearGaussian):
        def __init__(self) -> None:
            super().__init__()
            self.modes: list[bool] = []
            self.part = nn.Dropout()

        def guide(self, x: Tensor) -> Tensor:
            self.modes.append(self.part.training)
            return super().guide(x)

    program = Watched()
    fit(program, some_data(5), validation=some_data(3), epochs=2)
    assert program.modes == [False, False, *[True, False] * 2]  # bind, a trial, two epochs


def test_no_epochs_change_nothing() -> None:
    program = LinearGaussian(1.0)
    before = state(program)
    assert fit(program, some_data(), epochs=0).step == 0
    assert not moved(program, before)
    with pytest.raises(ValueError, match="epochs of at least 0, got -1"):
        fit(program, some_data(), epochs=-1)


# --- losses that are not finite


class Fragile(LinearGaussian):
    """Its likelihood overflows at large data."""

    def model(self, x: Tensor | None = None, n: int = 1) -> Tensor:
        with dgmppl.data_plate(x, n):
            z = pyro.sample("z", Normal(self.W.new_zeros(2), 1.0).to_event(1))
            scale = self.sigma if x is None or x.abs().max() < 50 else self.sigma * float("inf")
            return pyro.sample("x", Normal(z @ self.W.T + self.b, scale).to_event(1), obs=x)


def test_a_loss_that_is_not_finite_is_located(tmp_path: Path) -> None:
    x = some_data(20)
    x[12] = 60.0
    loader = DataLoader(TensorDataset(x), batch_size=5)  # in order: the third batch is bad
    program = Fragile(1.0)
    match = r"step 3 \(epoch 1, batch 2\), phase 'model\+guide', at site 'x'.*Try"
    with pytest.raises(NonFiniteError, match=match):
        fit(program, loader, directory=tmp_path, checkpoint_seconds=0.0)
    kept = read_checkpoint(tmp_path / "last.safetensors")
    assert kept["position"] == [0, 2, 2]
    assert not moved(program, kept["program"])  # the bad step was not taken
    assert all(torch.isfinite(value).all() for value in kept["program"].values())
    assert [row["step"] for row in History.read(tmp_path / "metrics.jsonl").steps] == [1, 2]


def test_parameters_that_are_not_finite_are_not_kept(tmp_path: Path) -> None:
    def spoil(parameters: list[nn.Parameter]) -> None:
        parameters[0].grad = torch.full_like(parameters[0], float("nan"))

    settings: dict[str, Any] = {"directory": tmp_path, "checkpoint_seconds": 0.0}
    with pytest.raises(NonFiniteError, match=r"step 2 \(epoch 1, batch 1\)"):
        fit(LinearGaussian(1.0), some_data(20), clip_gradient=spoil, **settings)
    kept = read_checkpoint(tmp_path / "last.safetensors")
    assert kept["position"] == [0, 0, 0]
    assert all(torch.isfinite(value).all() for value in kept["program"].values())


# --- files


def test_a_checkpoint_holds_tensors_and_json_alone(tmp_path: Path) -> None:
    fit(LinearGaussian(), some_data(), directory=tmp_path)
    content = (tmp_path / "last.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert header["__metadata__"]["format"] == "dgmppl 1"
    json.loads(header.pop("__metadata__")["state"])
    assert all({"dtype", "shape", "data_offsets"} == set(entry) for entry in header.values())
    end = max(entry["data_offsets"][1] for entry in header.values())
    assert len(content) == 8 + length + end  # nothing else is in the file
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"last.safetensors", "metrics.jsonl", "run.json"}


def test_a_run_says_what_it_was(tmp_path: Path) -> None:
    fit(LinearGaussian(), some_data(), ELBO(temper=2.0), directory=tmp_path, seed=4)
    settings = json.loads((tmp_path / "run.json").read_text())
    assert settings["program"] == "LinearGaussian" and settings["seed"] == 4
    assert settings["formula"] == str(ELBO(temper=2.0))
    assert settings["parameters"] == {"model": 3, "guide": 3}
    assert settings["versions"]["torch"] == torch.__version__


def test_learning_reaches_the_evidence() -> None:
    """The guide, learned alone, becomes the posterior."""
    program, x = LinearGaussian(1.0), some_data(20)
    for parameter in (program.W, program.b, program.log_sigma):
        parameter.requires_grad_(False)
    objective = ELBO(gradient=dgmppl.objectives.StickingTheLanding())
    adam = partial(torch.optim.Adam, lr=0.05)
    fit(program, x, objective, epochs=300, batch_size=None, optimizer=adam)
    gap = program.log_evidence(x).mean() - program.elbo(x).mean()
    assert 0 <= gap < 1e-3
    value = objective.value(bind(program, x), x, Progress())
    assert value.item() == pytest.approx(program.log_evidence(x).mean().item(), abs=0.1)


def test_a_plateau_lowers_the_learning_rate() -> None:
    rates: list[float] = []

    def schedule(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.ReduceLROnPlateau:
        made = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=0.5, patience=0, threshold=1e6, threshold_mode="abs"
        )
        rates.append(optimizer.param_groups[0]["lr"])
        schedules.append(made)
        return made

    schedules: list[torch.optim.lr_scheduler.ReduceLROnPlateau] = []
    fit(LinearGaussian(1.0), some_data(10), schedule=schedule, epochs=3)
    # nothing is ever a million nats better: lower from the second epoch on
    assert schedules[0].optimizer.param_groups[0]["lr"] == pytest.approx(rates[0] / 4)


def test_another_optimizer_cannot_resume(tmp_path: Path) -> None:
    fit(LinearGaussian(1.0), some_data(10), directory=tmp_path, epochs=1)
    program = LinearGaussian(1.0)
    before = state(program)
    with pytest.raises(ValueError, match=r"begun with \['Adam'\], now it has \['SGD'\]"):
        fit(
            program,
            some_data(10),
            directory=tmp_path,
            resume=True,
            optimizer=partial(torch.optim.SGD, lr=0.1),
        )
    assert not moved(program, before)


def test_validation_data_that_cannot_be_served_are_told_before_learning() -> None:
    def model(x: Tensor) -> None:
        mean = pyro.sample("mean", Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", Normal(mean, 1.0), obs=x)

    def guide(x: Tensor) -> None:
        pyro.sample("mean", Normal(pyro.param("loc", torch.tensor(0.0)), 1.0))

    pair = dgmppl.Pair(model, guide)
    x = torch.zeros(8)
    with pytest.raises(ObjectiveError, match="whole set"):
        fit(pair, x, IWAE(num_particles=3), batch_size=None, validation=torch.zeros(3))
    assert float(pair.declared["loc"].detach()) == 0.0
