"""No test of data reads a user's folders or the network."""

from pathlib import Path

import pooch
import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no `DGMPPL_DATA`, and a network that is down."""

    def offline(url: str, **options: object) -> str:
        raise ConnectionError(f"{url} cannot be reached")

    folder = tmp_path / "cache"
    monkeypatch.delenv("DGMPPL_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: folder)
    monkeypatch.setattr(pooch, "retrieve", offline)
    return folder
