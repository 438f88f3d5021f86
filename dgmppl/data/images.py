"""The named sets of pictures and how each is split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from dgmppl.data.fetch import Published
from dgmppl.data.published import FASHION_MNIST, FREY_FACES, MNIST, OMNIGLOT

__all__ = ["IMAGE_SETS", "Digits", "ImageSet"]

Arrays: TypeAlias = Mapping[str, Any]
Split: TypeAlias = Callable[[Arrays, str], tuple[np.ndarray, np.ndarray | None]]

SPLIT_SEED = 0


@dataclass(frozen=True)
class ImageSet:
    """A set of pictures.

    Arguments:
        source: Whose `open(root)` yields the arrays and the record of their file.
        split: Takes the arrays and a split's name, returns pictures and labels (or `None`).
        levels: The highest grey level.
        splits: The splits there are.
        seed: Of the split, where we drew it ourselves.
    """

    source: Published | Digits
    split: Split
    levels: int = 255
    splits: tuple[str, ...] = ("train", "test")
    seed: int | None = None

    def read(
        self, split: str, root: str | Path | None
    ) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
        """The pictures `[N, H, W]` uint8, the labels `[N]` or `None`, and the record of the file.

        Raises:
            ValueError: If the pictures are of another type or shape, or there are none.
        """
        with self.source.open(root) as (arrays, record):
            images, labels = self.split(arrays, split)
        if images.dtype != np.uint8 or images.ndim != 3 or not images.size:
            raise ValueError(
                f"Expected pictures [N, height, width] uint8, got {images.dtype} of shape "
                f"{images.shape}. Try the format that load's documentation describes."
            )
        return images, labels, record if self.seed is None else {**record, "split_seed": self.seed}


class Digits:
    """The 1,797 digits of 8x8 pixels and 17 grey levels that come with scikit-learn."""

    @contextmanager
    def open(self, root: str | Path | None = None) -> Iterator[tuple[Arrays, dict[str, str]]]:
        """The arrays, and the record with the sha256 of the pictures' bytes; `root` has no say."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = digits.images.astype(np.uint8)
        record = {"sha256": hashlib.sha256(images.tobytes()).hexdigest()}
        yield {"images": images, "labels": digits.target}, record


def _published(arrays: Arrays, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The split the authors made."""
    return arrays[f"{split}_images"], arrays[f"{split}_labels"]


def _stratified(arrays: Arrays, split: str) -> tuple[np.ndarray, np.ndarray]:
    """360 test pictures, with the classes in proportion, the others for training."""
    from sklearn.model_selection import train_test_split

    labels = arrays["labels"]
    train, test = train_test_split(
        np.arange(len(labels)), test_size=360, stratify=labels, random_state=SPLIT_SEED
    )
    rows = train if split == "train" else test
    return arrays["images"][rows], labels[rows]


def _by_drawer(arrays: Arrays, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Fifteen of the twenty drawers for training, five for testing, in all alphabets."""
    rows = (arrays["drawer"] < 15) == (split == "train")
    return arrays["images"][rows], arrays["character"][rows]


def _shuffled(arrays: Arrays, split: str) -> tuple[np.ndarray, None]:
    """200 frames each for validation and test, the others for training."""
    images = arrays["images"]
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    order = torch.randperm(len(images), generator=generator).numpy()
    rows = {"train": order[:-400], "validation": order[-400:-200], "test": order[-200:]}
    return images[rows[split]], None


IMAGE_SETS: Mapping[str, ImageSet] = {
    "digits": ImageSet(Digits(), _stratified, levels=16, seed=SPLIT_SEED),
    "mnist": ImageSet(MNIST, _published),
    "fashion_mnist": ImageSet(FASHION_MNIST, _published),
    "omniglot": ImageSet(OMNIGLOT, _by_drawer),
    "frey_faces": ImageSet(
        FREY_FACES, _shuffled, splits=("train", "validation", "test"), seed=SPLIT_SEED
    ),
}
