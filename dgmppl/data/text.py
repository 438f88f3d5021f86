"""Texts as sequences of characters."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import torch

from dgmppl.data.fetch import DataNotFound, cache_folder, chosen_folder
from dgmppl.data.sources import sha256
from dgmppl.data.tensors import TensorData

__all__ = ["TEXTS", "spell", "text"]

#: Name → where it is downloaded from, and the sha256 of the file we know.
TEXTS = {
    "tinyshakespeare": (
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    )
}


def text(name: str, split: str, root: str | Path | None, length: int = 128) -> TensorData:
    """Pieces of a text, one after the other.

    Arguments:
        name: "tinyshakespeare".
        split: "train", the first nine tenths of the characters, or "test", the last.
        root: The folder to look in first, for `<name>.txt`.
        length: Characters a piece.

    Returns:
        Numbers of characters `[N, length]` in the record's "alphabet", which is sorted.

    Raises:
        DataNotFound: If the file is nowhere and cannot be downloaded.
    """
    path = _locate(name, root)
    letters = path.read_text(encoding="utf-8")
    alphabet = "".join(sorted(set(letters)))
    numbers = np.searchsorted(list(alphabet), list(letters))
    cut = len(numbers) * 9 // 10
    part = numbers[:cut] if split == "train" else numbers[cut:]
    pieces = torch.from_numpy(part[: len(part) // length * length].astype("int64"))
    record = {"name": name, "split": split, "alphabet": alphabet, "sha256": sha256(path)}
    return TensorData(pieces.reshape(-1, length), record=record)


def spell(numbers: Iterable[Any], alphabet: str) -> str:
    """The characters of numbers `[length]`.

    Example:
        >>> spell(torch.tensor([1, 0, 1]), "ab")
        'bab'
    """
    return "".join(alphabet[int(number)] for number in numbers)


def _locate(name: str, root: str | Path | None) -> Path:
    folder = chosen_folder(root)
    if folder is not None and (path := folder / f"{name}.txt").is_file():
        return path
    address, known = TEXTS[name]
    try:
        found = pooch.retrieve(address, f"sha256:{known}", f"{name}.txt", cache_folder())
    except (OSError, ValueError) as error:
        raise DataNotFound(
            f"Expected the text '{name}' in a file {name}.txt in DGMPPL_DATA or the cache "
            f"'{cache_folder()}', got no such file, and no download: {error}. Try getting it from "
            f"{address}; then set DGMPPL_DATA to its folder, or pass root=."
        ) from error
    return Path(found)
