"""The examples in docstrings are true, under the names and the fixtures that tests have."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {"dgmppl": ROOT / "dgmppl", "dgmppl.models": ROOT / "models"}
MODULES = sorted(
    ".".join([package, *path.relative_to(folder).with_suffix("").parts]).removesuffix(".__init__")
    for package, folder in FOLDERS.items()
    for path in folder.rglob("*.py")
    if path.name != "__main__.py"  # that one runs the command
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("module", MODULES)
def test_examples(
    module: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("examples"))
    failed, _ = doctest.testmod(importlib.import_module(module), optionflags=OPTIONS)
    assert not failed
