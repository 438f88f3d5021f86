"""What is installed is what is here: every package, the gallery, the command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest

import dgmppl

ROOT = Path(__file__).parents[1]
FOLDERS = {"dgmppl": ROOT / "dgmppl", "dgmppl.models": ROOT / "models"}
SOURCES = {
    path: ".".join([package, *path.relative_to(folder).with_suffix("").parts])
    for package, folder in FOLDERS.items()
    for path in folder.rglob("*.py")
}
MODULES = {name.removesuffix(".__init__") for name in SOURCES.values()}
PACKAGES = {name.rpartition(".")[0] for name in SOURCES.values()}

IMPORT_ALL = (
    "import sys; [print(__import__(name, fromlist=['']).__file__) for name in sys.argv[1:]]"
)


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What a command prints; the test fails with its errors where it fails."""
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the wheel, unpacked, built from a copy so that nothing stale gets in."""
    source, wheels, site = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "site"))
    for name in ("dgmppl", "models"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", wheels, ".", cwd=source)
    (wheel,) = wheels.glob("*.whl")
    run(sys.executable, "-m", "pip", "install", "--no-deps", "-t", site, wheel, cwd=wheels)
    return site


def test_every_package_is_listed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(settings["tool"]["setuptools"]["packages"]) == PACKAGES


def test_every_package_has_an_init() -> None:
    assert PACKAGES <= MODULES


def test_the_version_has_one_source() -> None:
    assert distribution("dgmppl").version == dgmppl.__version__


@pytest.mark.packaging
def test_every_module_of_the_wheel_is_imported_from_the_wheel(site: Path) -> None:
    names = sorted(MODULES - {"dgmppl.__main__"})  # that one runs the command
    files = run(sys.executable, "-c", IMPORT_ALL, *names, cwd=site.parent, PYTHONPATH=str(site))
    strangers = [file for file in files.split() if not Path(file).is_relative_to(site)]
    assert not strangers, f"Expected modules of {site}, got {strangers}."


@pytest.mark.packaging
def test_the_wheel_offers_the_command_and_the_recipes(site: Path) -> None:
    (wheel,) = distributions(path=[str(site)])
    assert {(point.group, point.name, point.value) for point in wheel.entry_points} == {
        ("console_scripts", "dgmppl", "dgmppl.cli:main"),
        ("dgmppl.recipes", "gallery", "dgmppl.models"),
    }
