from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from pictures.programs import Ladder

from dgmppl import pictures


def test_without_graphviz_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(pictures.PictureError, match="graph\\(program, x\\)"):
        pictures.render(Ladder(), torch.randn(2, 3), "model.pdf")


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
def test_with_graphviz_it_writes_the_file(tmp_path: Path) -> None:
    path = pictures.render(Ladder(), torch.randn(2, 3), tmp_path / "model.svg")
    assert "z1" in path.read_text(encoding="utf-8")
