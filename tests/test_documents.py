"""What README and CONTRIBUTING show runs as shown."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import dgmppl
from dgmppl.matrix import matrix
from dgmppl.models.helmholtz_machine import HelmholtzMachine
from dgmppl.workspace import resolve

ROOT = Path(__file__).parents[1]


def blocks(name: str) -> list[str]:
    """The Python blocks of a document, without the indentation of a list."""
    text = (ROOT / name).read_text(encoding="utf-8")
    found = re.findall(r"^( *)```python\n(.*?)^ *```", text, flags=re.M | re.S)
    return [re.sub(f"^{indent}", "", block, flags=re.M) for indent, block in found]


def test_the_readme_runs_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    fit, quick = dgmppl.fit, {"epochs": 1, "progress": False}
    monkeypatch.setattr(dgmppl, "fit", lambda *given, **named: fit(*given, **{**named, **quick}))
    names: dict[str, Any] = {}
    program, use, swap, derive, pair, game, energy, exact, compiled, inspect = blocks("README.md")
    exec(program + use, names)
    names["my_guide"] = names["VAE"]().guide
    exec(swap + derive, names)
    exec(PAIR + pair, names)
    exec(game, names)
    exec(energy, names)
    exec(exact, names)
    names["run"] = names["dgmppl"].fit(names["VAE"](), names["digits"])
    names["x"] = names["test"].first(5).draw()
    if shutil.which("g++"):
        exec(compiled, names)
    exec(inspect, names)
    assert torch.isfinite(names["images"]).all()


def test_the_readme_shows_the_matrix() -> None:
    machine = HelmholtzMachine(data_dim=4, layers=(3, 2))
    printed = str(matrix(machine, torch.ones(3, 4), {"own": machine})).partition("\n1:")[0]
    expected = "\n".join(line.rstrip() for line in printed.splitlines()).strip()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("<!-- matrix -->")[2].partition("<!-- /matrix -->")[0]
    assert shown.strip().strip("`").strip() == expected


PAIR = """
import pyro.distributions as dist
from pyro.infer.autoguide import AutoNormal

def model(x, y):
    slope = pyro.sample("slope", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)

x, y = torch.randn(20), torch.randn(20)
"""


def test_the_skeleton_is_a_model(tmp_path: Path) -> None:
    (skeleton,) = (block for block in blocks("CONTRIBUTING.md") if "MyModel" in block)
    (tmp_path / "my_model.py").write_text(skeleton, encoding="utf-8")
    recipe = resolve(str(tmp_path / "my_model.py"))
    data = recipe.data(split="train")
    run = dgmppl.fit(recipe.build(data), data, recipe.objective, epochs=1, progress=False)
    assert dgmppl.generate(run.program, 3)["x"].shape == (3, 64)
