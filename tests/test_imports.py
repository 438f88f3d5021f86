"""Imports point one way: a module of `dgmppl` imports only what stands below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

# From the bottom up. A module or package may import itself and whatever stands in a lower row,
# but not its neighbours in the same row. "dgmppl" is the package's own __init__.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("mean_weight", "randomness"),
    ("lowering",),
    ("data", "distributions", "errors", "modules_of", "networks", "schedules", "transforms"),
    ("sites",),
    ("traces",),
    ("handlers", "site_checks"),
    ("program",),
    ("dependencies",),
    ("binding", "incomplete"),
    ("draw", "enumeration"),
    ("running", "tables"),
    ("weights",),
    ("adversarial", "energy", "guides"),
    ("objectives",),
    ("inference",),
    ("posterior",),
    ("evaluation", "generation"),
    ("description", "matrix", "pictures"),
    ("recipes",),
    ("overrides",),
    ("workspace",),
    ("dgmppl",),
    ("commands",),
    ("cli",),
    ("__main__",),
)

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dgmppl"
ROW = {unit: row for row, units in enumerate(LAYERS) for unit in units}
FILES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    """`dgmppl/data/toy.py` → `dgmppl.data.toy`; a package's `__init__.py` → the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Full names of all that a file imports, in functions and for type checkers too."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def unit(name: str) -> str:
    """The entry of LAYERS that a full name belongs to: `dgmppl.data.toy` → `data`."""
    parts = name.split(".")
    if len(parts) > 1 and any((PACKAGE / f"{parts[1]}{end}").exists() for end in ("", ".py")):
        return parts[1]
    return parts[0]


def test_every_module_has_a_row() -> None:
    missing = {unit(module_name(path)) for path in FILES} - ROW.keys()
    assert not missing, f"Expected every module in LAYERS, got none for {sorted(missing)}."


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_point_down(path: Path) -> None:
    own = unit(module_name(path))
    for name in imported(path):
        other = unit(name)
        if name.split(".")[0] == "dgmppl" and other != own:
            assert ROW.get(other, len(LAYERS)) < ROW[own], f"{own} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_nothing_imports_the_gallery(path: Path) -> None:
    gallery = [n for n in imported(path) if f"{n}.".startswith(("dgmppl.models.", "models."))]
    assert not gallery, f"{module_name(path)} imports {gallery}; recipes are found by entry point"
