"""A run that was killed and resumed ends with the same bits as one that was not."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

import dgmppl
from dgmppl.inference import CheckpointError, read_checkpoint

CHILD = Path(__file__).with_name("child.py")
_spec = importlib.util.spec_from_file_location("child", CHILD)
assert _spec is not None and _spec.loader is not None
child = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(child)

STEPS = 4 * 8


def start(kind: str, directory: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "random"}
    command = [sys.executable, str(CHILD), kind, str(directory), *words]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def rows(directory: Path) -> list[dict[str, Any]]:
    """The metrics without what a clock says."""
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def step_of(directory: Path) -> int:
    """The last step in a checkpoint, -1 where there is none yet."""
    path = directory / "last.safetensors"
    return read_checkpoint(path)["position"][2] if path.exists() else -1


def wait_for(directory: Path, step: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while step_of(directory) < step and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)


@cache
def uninterrupted(kind: str, base: Path) -> Path:
    directory = base / f"whole-{kind}"
    child.learn(kind, directory)
    return directory


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def assert_equal_runs(one: Path, other: Path) -> None:
    assert rows(one) == rows(other)
    for name in ("last.safetensors", "best.safetensors"):
        first, second = (read_checkpoint(directory / name) for directory in (one, other))
        for part in ("program", "players", "random", "epoch_start"):
            assert same(first[part], second[part]), f"{part} of {name} differs"
        assert first["position"] == second["position"] and first["best"] == second["best"]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("kind", ["tensor", "loader", "generator"])
def test_killed_at_random_moments(kind: str, base: Path, tmp_path: Path) -> None:
    """Killed a few times anywhere, mid-epoch and mid-write included."""
    generator = random.Random(kind)
    for step in sorted(generator.sample(range(1, STEPS - 7), 2)):
        words = ("resume",) if step_of(tmp_path) >= 0 else ()
        process = start(kind, tmp_path, *words)
        wait_for(tmp_path, step, process)
        time.sleep(generator.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert 0 < step_of(tmp_path) < STEPS
    child.learn(kind, tmp_path, resume=True)
    assert_equal_runs(uninterrupted(kind, base), tmp_path)


def stop_after(step: int) -> Any:
    """A clipper that fails like a killed process would: nothing after it is written."""
    count = [0]

    def clip(parameters: Any) -> None:
        count[0] += 1
        if count[0] > step:
            raise SystemExit
        torch.nn.utils.clip_grad_norm_(parameters, max_norm=1.0)

    return clip


STOPS = [(kind, step) for kind in ("tensor", "loader") for step in (1, 7, 8, 9, 17)]
STOPS += [(kind, step) for kind in ("generator", "dataset", "roles") for step in (1, 9)]


@pytest.mark.parametrize(("kind", "step"), STOPS)
def test_stopped_at_any_step(kind: str, step: int, base: Path, tmp_path: Path) -> None:
    """The first step, the ends of epochs, and the middle."""
    asked = {**child.settings(kind), "clip_gradient": stop_after(step)}
    with pytest.raises(SystemExit):
        dgmppl.fit(child.Program(), directory=tmp_path, **asked)
    child.learn(kind, tmp_path, resume=True)
    assert_equal_runs(uninterrupted(kind, base), tmp_path)


def test_rare_checkpoints_give_the_same_bits(base: Path, tmp_path: Path) -> None:
    """Resumed from the start of an epoch, steps are taken anew and rows not doubled."""
    rare = {**child.settings("tensor"), "checkpoint_seconds": 1e9}
    with pytest.raises(SystemExit):
        dgmppl.fit(child.Program(), directory=tmp_path, **{**rare, "clip_gradient": stop_after(13)})
    assert step_of(tmp_path) == 8
    dgmppl.fit(child.Program(), directory=tmp_path, resume=True, **rare)
    assert_equal_runs(uninterrupted("tensor", base), tmp_path)


def test_a_run_that_a_callback_ended_stays_ended(base: Path, tmp_path: Path) -> None:
    whole = uninterrupted("stopping", base)
    assert len([row for row in rows(whole) if row["kind"] == "epochs"]) == 2
    child.learn("stopping", tmp_path)
    run = child.learn("stopping", tmp_path, resume=True)
    assert run.epoch == 2 and "no better validation value" in run.reason
    assert_equal_runs(whole, tmp_path)


def test_more_epochs_are_added_by_resuming(base: Path, tmp_path: Path) -> None:
    asked = child.settings("tensor")
    dgmppl.fit(child.Program(), directory=tmp_path, **{**asked, "epochs": 2})
    dgmppl.fit(child.Program(), directory=tmp_path, resume=True, **asked)
    assert_equal_runs(uninterrupted("tensor", base), tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_a_checkpoint(
    number: signal.Signals, base: Path, tmp_path: Path
) -> None:
    """Also where no checkpoint was due, and to the same bits."""
    asked = {**child.settings("tensor"), "checkpoint_seconds": 1e9}
    count = [0]

    def clip(parameters: Any) -> None:
        count[0] += 1
        if count[0] == 12:
            os.kill(os.getpid(), number)
        torch.nn.utils.clip_grad_norm_(parameters, max_norm=1.0)

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        dgmppl.fit(child.Program(), directory=tmp_path, **{**asked, "clip_gradient": clip})
    assert signal.getsignal(number) is before
    assert step_of(tmp_path) == 12
    child.learn("tensor", tmp_path, resume=True)
    assert_equal_runs(uninterrupted("tensor", base), tmp_path)


def test_a_run_killed_before_its_first_checkpoint_leaves_no_rows(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"kind": "steps", "step": 1, "value": 3.0}\n{"kin')
    dgmppl.fit(child.Program(), directory=tmp_path, **{**child.settings("tensor"), "epochs": 1})
    assert [row["step"] for row in rows(tmp_path) if row["kind"] == "steps"] == [*range(1, 9)]


@pytest.mark.parametrize("setting", ["objective", "batch_size", "seed"])
def test_other_settings_are_refused(setting: str, tmp_path: Path) -> None:
    asked = {**child.settings("tensor"), "epochs": 1}
    dgmppl.fit(child.Program(), directory=tmp_path, **asked)
    other = {"objective": dgmppl.objectives.ELBO(), "batch_size": 16, "seed": 8}
    program = child.Program()
    before = {name: value.clone() for name, value in program.state_dict().items()}
    with pytest.raises(CheckpointError, match=f"begun with {setting}=.*Try the same setting"):
        dgmppl.fit(program, directory=tmp_path, resume=True, **{**asked, setting: other[setting]})
    assert all(torch.equal(before[n], value) for n, value in program.state_dict().items())


def test_directories_are_not_mixed_up(tmp_path: Path) -> None:
    asked = {**child.settings("tensor"), "epochs": 1}
    with pytest.raises(FileNotFoundError, match=r"holds no run to resume.*resume=False"):
        dgmppl.fit(child.Program(), directory=tmp_path / "none", resume=True, **asked)
    with pytest.raises(ValueError, match="Expected a directory"):
        dgmppl.fit(child.Program(), resume=True, **asked)
    dgmppl.fit(child.Program(), directory=tmp_path, **asked)
    with pytest.raises(FileExistsError, match=r"holds a run.*resume=True"):
        dgmppl.fit(child.Program(), directory=tmp_path, **asked)
