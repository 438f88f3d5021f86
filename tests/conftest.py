"""What holds for every test: fixed seeds, one thread, no display, no leftovers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyro
import pytest
import torch

DATA_FOLDER = os.environ.get("DGMPPL_DATA")
os.environ["MPLBACKEND"] = "Agg"  # before anything imports matplotlib; child processes inherit it


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Sums have one order, and workers do not fight for cores."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seed() -> int:
    """Python, NumPy and PyTorch start every test at the same seed."""
    pyro.set_rng_seed(0)
    return 0


@pytest.fixture(autouse=True)
def clean_param_store() -> Iterator[None]:
    """No test leaves a parameter in Pyro's global store."""
    yield
    left = list(pyro.get_param_store().keys())
    pyro.clear_param_store()
    assert not left, f"Expected a clean parameter store, got {left}. Try dgmppl.Pair."


@pytest.fixture(autouse=True)
def no_published_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the data sets that happen to lie on this machine, unless it asks for them."""
    monkeypatch.delenv("DGMPPL_DATA", raising=False)


@pytest.fixture
def published_data(no_published_data: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of published data sets, for the tests that ask for it."""
    if DATA_FOLDER is None:
        pytest.skip("needs the published data sets: set DGMPPL_DATA to their folder")
    monkeypatch.setenv("DGMPPL_DATA", DATA_FOLDER)
    return Path(DATA_FOLDER)
