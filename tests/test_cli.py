"""The command, as a person uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dgmppl.cli import main

SMALL = ["program.z_dim=2", "program.hidden_features=8"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def call(*arguments: str) -> int:
    """Runs the command in this process; returns its exit status."""
    before, sys.argv = sys.argv, ["dgmppl", *arguments]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.argv = before
    return 0


def test_a_whole_session(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    assert call("fit", "vae", "--set", *SMALL, "epochs=1", "-q") == 0
    assert call("fit", "iwae", "--set", *SMALL, "-q", "--epochs", "1", "--validation", "0.1") == 0
    settings = json.loads((here / "runs/vae/run.json").read_text())
    assert settings["overrides"] == [*SMALL, "epochs=1"] and settings["seed"] == 0
    assert settings["data"]["pixels"].startswith("dynamic")
    assert (here / "runs/iwae/best.safetensors").exists()
    capsys.readouterr()

    assert call("evaluate", "runs/vae", "runs/iwae", "-k", "10", "-n", "20") == 0
    assert "lower bound" in capsys.readouterr().out
    record = json.loads((here / "runs/vae/evidence.json").read_text())
    assert record["log_prob"] < 0 < record["standard_error"] and record["num_particles"] == 10

    assert call("compare", "runs/vae", "runs/iwae", "-k", "10", "-n", "20") == 0
    assert "behind the first" in capsys.readouterr().out

    assert call("generate", "runs/vae", "-n", "5") == 0
    assert np.load(here / "runs/vae/samples.npz")["x"].shape == (5, 64)

    assert call("inspect", "runs/vae", "-n", "8", "--samples", "60") == 0
    capsys.readouterr()
    pictures = {path.stem for path in (here / "runs/vae/pictures").glob("*.png")}
    wanted = {"graph", "losses", "samples", "reconstructions", "traversal", "interpolation"}
    assert wanted | {"latent_scatter", "kl_per_unit", "k_hat"} <= pictures
    with xr.open_datatree(here / "runs/vae/posterior.nc", engine="h5netcdf") as tree:
        assert tree["posterior"]["z"].shape == (1, 60, 8, 2)


def test_resuming_ends_where_an_uninterrupted_run_ends(here: Path) -> None:
    both = ("--set", *SMALL, "-q", "--directory")
    assert call("fit", "vae", *both, "whole", "--epochs", "3") == 0
    assert call("fit", "vae", *both, "parts", "--epochs", "1") == 0
    assert call("fit", "vae", *both, "parts", "--epochs", "3", "--resume") == 0
    rows = [
        [json.loads(line) for line in (here / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "parts")
    ]
    for row in rows[0] + rows[1]:
        row.pop("seconds", None)
    assert rows[0] == rows[1]


def test_list_and_describe(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list") == 0
    assert "beta-vae" in capsys.readouterr().out
    assert call("describe", "vae", "--set", *SMALL) == 0
    shown = capsys.readouterr().out
    assert "z (latent)" in shown and "guide" in shown and "E_q[log p(x,z) − log q(z|x)]" in shown


def test_a_file_is_a_recipe(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mine.py").write_text(
        "import dgmppl, pyro, torch\n"
        "from pyro.distributions import Normal\n"
        "class Mine(dgmppl.Program):\n"
        "    def __init__(self, data_dim: int = 2):\n"
        "        super().__init__()\n"
        "        self.loc = torch.nn.Parameter(torch.zeros(data_dim))\n"
        "    def model(self, x=None, n=1):\n"
        "        with dgmppl.data_plate(x, n):\n"
        "            return pyro.sample('x', Normal(self.loc, 1.0).to_event(1), obs=x)\n"
    )
    np.save(here / "rows.npy", np.ones((20, 3), dtype=np.float32))
    fit = ("fit", "mine.py", "--data", "rows.npy", "-q", "--set", "objective=MaximumLikelihood()")
    assert call(*fit, "epochs=1") == 0
    capsys.readouterr()
    assert call("evaluate", "runs/mine") == 0
    assert "exact" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "vea"), "Unknown recipe 'vea'. Try vae"),
        (("fit", "vae", "--set", "program.zdim=3"), "Try 'z_dim'"),
        (("fit", "vae", "--set", "program.z_dim=many"), "expected int"),
        (("fit", "vae", "--data", "mnits"), "mnist"),
        (("fit", "nothing.py"), "found none"),
        (("fit", "vae", "--amp", "float8"), "bfloat16"),
        (("fit", "vae", "--compile", "maybe"), "inductor"),
        (("fit", "vae", "--resume"), "--directory"),
        (("evaluate", "nowhere"), "dgmppl fit"),
        (("fit", "vae", "--set", "objective=MaximumLikelihood()"), "Site 'z'"),
        (("fit", "vae", "--set", "program.data_dim=10"), "64"),
        (("fit", "vae", "--set", "data.pixels=Grey()"), "DynamicBinarisation"),
    ],
)
def test_mistakes_are_one_line_and_the_cure(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and "\n" not in error and message in error


def test_a_run_is_not_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    fit = ("fit", "vae", "--set", *SMALL, "epochs=0", "-q", "-d", "run")
    assert call(*fit[:-4], "epochs=1", "-q", "-d", "run") == 0
    assert call(*fit) == 2
    assert "resume" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("fit", "vae", "--set", *SMALL, "epochs=1", "-q", "-d", "run") == 0
    path = here / "run/last.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert call("evaluate", "run") == 2
    assert "cut short or damaged" in capsys.readouterr().err


def test_the_installed_command_answers() -> None:
    command = [sys.executable, "-m", "dgmppl", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
    assert "A typical session" in shown.stdout
