"""Texts by name, and the sequences that are drawn."""

from __future__ import annotations

from pathlib import Path

import pooch
import pytest
import torch

from dgmppl.data import DataNotFound, load, spell
from dgmppl.data.sequences import SUMS_ALPHABET, TIMBRES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tinyshakespeare.txt").write_text("to be, or not.\n" * 20, encoding="utf-8")
    return tmp_path


def test_pieces_follow_each_other_and_the_last_tenth_is_held_out(folder: Path) -> None:
    train, test = (load("tinyshakespeare", s, root=folder, length=10) for s in ("train", "test"))
    alphabet = train.record["alphabet"]
    assert alphabet == "".join(sorted(set("to be, or not.\n")))
    assert train.values.dtype == torch.long and train.values.shape == (27, 10)
    text = "to be, or not.\n" * 20
    assert "".join(spell(row, alphabet) for row in train.values) == text[:270]
    assert "".join(spell(row, alphabet) for row in test.values) == text[270:]


def test_a_text_that_is_nowhere_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object) -> str:
        raise OSError("no route")

    monkeypatch.setattr(pooch, "retrieve", no_network)
    with pytest.raises(DataNotFound, match="DGMPPL_DATA"):
        load("tinyshakespeare", root=tmp_path)


def test_options_that_are_not_for_a_set_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="n"):
        load("tinyshakespeare", root=folder, n=5)
    with pytest.raises(ValueError, match="length"):
        load("moons", length=5)


def test_sums_are_right() -> None:
    data = load("sums", n=200)
    for row, total in zip(data.values, data.labels, strict=True):
        left, _, right = spell(row, SUMS_ALPHABET).partition("=")
        assert sum(map(int, left.split("+"))) == int(right) == int(total)


def test_harmonics_have_the_overtones_of_their_timbre() -> None:
    data = load("harmonics", n=300)
    power = torch.fft.rfft(data.values).abs()
    for wave, timbre in zip(power, data.labels, strict=True):
        first = 3 + int(wave[3:13].argmax())  # 5 to 10 cycles
        second = wave[2 * first - 2 : 2 * first + 3].max() / wave[first]
        if TIMBRES[int(timbre)][1] == 0:
            assert second < 0.35
        else:
            assert second > 0.2
