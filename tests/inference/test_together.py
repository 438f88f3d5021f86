"""Two processes learn what one would, agree on everything, and notice when one is lost."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from dgmppl.inference import History, read_checkpoint

SCRIPT = Path(__file__).with_name("together.py")
_spec = importlib.util.spec_from_file_location("together", SCRIPT)
assert _spec is not None and _spec.loader is not None
together = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(together)

ROOT = Path(__file__).parents[2]


class Pair:
    """What both processes of one launch saw.

    Arguments:
        folder: Where they wrote.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.seen = [torch.load(folder / f"{r}.pt", weights_only=False) for r in (0, 1)]

    def __getitem__(self, name: str) -> list[Any]:
        return [seen[name] for seen in self.seen]


def environment(*paths: Path) -> dict[str, str]:
    """For other processes: no GPU, one thread, and modules from here."""
    return {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONWARNINGS": "ignore::FutureWarning",
    }


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("together")
    torch.save(together.seen_rows(folder / "from one", stop=2), folder / "rows.pt")
    command = [sys.executable, str(SCRIPT), str(folder)]
    subprocess.run(command, env=environment(ROOT, ROOT / "tests"), check=True, timeout=300)
    return Pair(folder)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else bool(one == other)


# --- the same as one process


@pytest.mark.parametrize("name", together.DETERMINISTIC)
def test_two_processes_do_what_one_does_with_twice_the_data(name: str, pair: Pair) -> None:
    run, alone = together.deterministic(name, 2)
    first, second = pair[name]
    assert same(first["state"], second["state"])
    for key, value in alone.items():
        assert torch.allclose(first["state"][key], value, rtol=0, atol=1e-6), key
    for kind, rows in (("steps", run.history.steps), ("epochs", run.history.epochs)):
        for mine, other, expected in zip(first[kind], second[kind], rows, strict=True):
            for key in expected.keys() - {"batch", "seconds"}:
                assert mine[key] == other[key]
                assert mine[key] == pytest.approx(expected[key], abs=1e-6), key


def test_gradients_are_weighted_and_missing_ones_count_as_zero(pair: Pair) -> None:
    for averages in pair["averages"]:
        both, single, one, none = averages
        assert none is None and single.dtype == torch.float32
        for average, value in ((both, 1.75), (single, 1.75), (one, 1.5)):
            assert torch.equal(average, torch.full_like(average, value))


# --- the same in both processes


def test_parameters_agree_and_draws_do_not(pair: Pair) -> None:
    """Also where data decide which parameters take part, and for what the objective learns."""
    assert same(*pair["whole"])
    assert len(pair["baseline"][0]) == 4 + 4  # the program's, and the network's
    assert same(*pair["baseline"])
    kept = read_checkpoint(pair.folder / "whole" / "last.safetensors")
    assert len(kept["others"]) == 1
    assert not torch.equal(kept["random"]["torch"], kept["others"][0]["torch"])


def test_one_process_writes(pair: Pair) -> None:
    history = History.read(pair.folder / "whole" / "metrics.jsonl")
    assert [row["step"] for row in history.steps] == [*range(1, 7)]
    assert json.loads((pair.folder / "whole" / "run.json").read_text())["processes"] == 2
    assert [path.name for path in (pair.folder / "whole").glob(".*")] == []


def test_what_one_asks_for_all_do(pair: Pair) -> None:
    """A callback's stop, and an interrupt."""
    (epoch, reason, directory), other = pair["stopped"]
    assert other == [epoch, reason, None] == [2, "enough", None]
    assert directory == pair.folder / "stopped"
    assert all(text.startswith("KeyboardInterrupt") for text in pair["interrupted"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("not finite", r"NonFiniteError.*at step 2 .*at site 'x', process 1 of 2\. Try"),
        ("closed form", "ObjectiveError.*'posterior\\+model' sets parameters in closed form.*Try"),
        ("taken", "FileExistsError.*holds a run.*resume=True"),
        ("sampled", "ValueError.*got one with a DistributedSampler. Try shuffle=True"),
    ],
)
def test_both_raise_the_same_error(name: str, message: str, pair: Pair) -> None:
    one, other = pair[name]
    assert one == other
    with pytest.raises(RuntimeError, match=message):
        raise RuntimeError(one)


# --- resumption


def test_an_interrupted_pair_goes_on_to_the_same_bits(pair: Pair) -> None:
    assert same(*pair["resumed"]) and same(pair["resumed"][0], pair["whole"][0])
    whole, parts = (
        read_checkpoint(pair.folder / n / "last.safetensors") for n in ("whole", "parts")
    )
    for name in ("program", "players", "random", "others", "epoch_start", "sums", "position"):
        assert same(whole[name], parts[name]), name


def test_one_process_is_followed_by_two(pair: Pair) -> None:
    """In the middle of a pass: each datum is seen once by somebody."""
    rows = [*torch.load(pair.folder / "rows.pt"), *pair["from one"][0], *pair["from one"][1]]
    assert sorted(rows) == [*range(11)]
    assert read_checkpoint(pair.folder / "from one" / "last.safetensors")["position"] == [1, 0, 4]


def test_two_processes_are_followed_by_one(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    before = [*pair["to one"][0], *pair["to one"][1]]
    assert len(before) == 8
    rest = together.seen_rows(pair.folder / "to one", resume=True, progress=True)
    assert sorted([*before, *rest]) == [*range(11)]
    assert "begun by 2 process(es), goes on with 1 from step 2" in capsys.readouterr().err


# --- losses


def test_a_killed_process_is_missed(pair: Pair) -> None:
    assert json.loads((pair.folder / "codes.json").read_text()) == [0, -signal.SIGKILL]
    lost = json.loads((pair.folder / "lost.json").read_text())
    directory = pair.folder / "lost"
    assert f"Process 1 of 2 was lost at step 5. The last checkpoint in {directory}" in lost
    assert "is from step 4. Try the same command with resume=True (--resume)" in lost
    kept = read_checkpoint(directory / "last.safetensors")
    assert kept["position"][2] == 4
    assert all(torch.isfinite(value).all() for value in kept["program"].values())


def test_a_process_that_fails_says_why(pair: Pair) -> None:
    other, own = pair["failed"]
    assert own == "OSError: no space"
    assert "Process 1 of 2 was lost at step 3 (OSError: no space). The last checkpoint" in other


# --- the command


def worker(agent: int, rank: int) -> int:
    """The process that torchrun gave a rank."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            own = f"\0RANK={rank}\0" in f"\0{(path / 'environ').read_text()}"
        except OSError:  # it ended meanwhile
            continue
        if parent == agent and own:
            return int(path.name)
    raise AssertionError("no such worker")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the worker to kill in /proc")
@pytest.mark.parametrize("restarts", [0, 1])
def test_torchrun(restarts: int, tmp_path: Path) -> None:
    """A killed worker ends the run with a message, or is started again and the run ends well."""
    fit = "fit vae --directory run --resume --epochs 60 --set program.hidden_features=8"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", f"--max-restarts={restarts}", "-m", "dgmppl", *fit.split()]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    agent = subprocess.Popen(command, cwd=tmp_path, env=environment(ROOT), **pipes)
    last = tmp_path / "run" / "last.safetensors"
    deadline = time.monotonic() + 120
    while not last.exists() or read_checkpoint(last)["position"][2] < 5:
        assert time.monotonic() < deadline and agent.poll() is None
        time.sleep(0.01)
    os.kill(worker(agent.pid, rank=1), signal.SIGKILL)
    out, errors = agent.communicate(timeout=300)
    assert errors.count("error: Process 1 of 2 was lost at step") == 1
    assert (agent.returncode == 0) is (restarts == 1)
    epochs = read_checkpoint(last)["position"][0]
    if restarts:
        assert epochs == 60 and out.count("Learned 60 epochs") == 1
        history = History.read(tmp_path / "run" / "metrics.jsonl")
        assert [row["epoch"] for row in history.epochs] == [*range(1, 61)]
    else:
        assert 0 < epochs < 60 and not out
