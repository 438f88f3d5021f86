"""Articles of 20 newsgroups as counts of words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from dgmppl.data.fetch import Published
from dgmppl.data.tensors import TensorData

__all__ = ["NEWSGROUPS", "newsgroups", "vocabulary"]

NEWSGROUPS = Published(
    "newsgroups",
    {
        "indptr": "(18847,) int32",
        "indices": "(602667,) uint16, the words of each article",
        "counts": "(602667,) uint16, how often each stands in it",
        "vocab": "(2000,) unicode",
        "labels": "(18846,) uint8",
        "n_train": "a whole number",
    },
    sha256="5b25d157ebdf6abab42bc20d2b1b2e183bdaa2d6e708a21089f13f4c47f3e329",
    origin="http://qwone.com/~jason/20Newsgroups/ (the 'bydate' version, as a matrix of counts)",
)


def newsgroups(split: str, root: str | Path | None, longest: int = 500) -> TensorData:
    """The articles that have a word of the vocabulary, and at most `longest` of them.

    Arguments:
        split: "train" or "test", by date.
        root: The folder to look in first.
        longest: Longer articles are left out: one in a hundred.

    Returns:
        Counts `[N, 2000]` of float32, and the newsgroup of each.
    """
    with NEWSGROUPS.open(root) as (arrays, file):
        starts, words = arrays["indptr"].astype("int64"), arrays["indices"].astype("int64")
        counts, labels, cut = arrays["counts"], arrays["labels"], int(arrays["n_train"])
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    table = np.zeros((len(starts) - 1, 2000), dtype=np.float32)
    table[rows, words] = counts
    part = slice(0, cut) if split == "train" else slice(cut, None)
    lengths = table[part].sum(1)
    kept = (lengths > 0) & (lengths <= longest)
    return TensorData(
        torch.from_numpy(table[part][kept]),
        record={"name": "newsgroups", "split": split, "longest": longest, **file},
        labels=torch.from_numpy(labels[part][kept].astype("int64")),
    )


def vocabulary(root: str | Path | None = None) -> list[str]:
    """The 2,000 words, in the order of the counts."""
    with NEWSGROUPS.open(root) as (arrays, _):
        return [str(word) for word in arrays["vocab"]]
