"""Data sets by name."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch

from dgmppl.data.bars import bars
from dgmppl.data.furniture import furniture
from dgmppl.data.images import IMAGE_SETS
from dgmppl.data.newsgroups import newsgroups
from dgmppl.data.patches import SIDE, patches
from dgmppl.data.pixels import Grey, Pixels
from dgmppl.data.sequences import SUMS_ALPHABET, harmonics, sums
from dgmppl.data.some_labels import SomeLabels
from dgmppl.data.tensors import TensorData
from dgmppl.data.text import TEXTS, text
from dgmppl.data.toy import TOY_SETS

__all__ = ["load", "names"]

GREY = Grey()
DRAWN_SETS = {
    **TOY_SETS,
    "furniture": furniture,
    "bars": bars,
    "sums": sums,
    "harmonics": harmonics,
}
ALPHABETS = {"sums": SUMS_ALPHABET}
TOY_SPLITS = ("train", "validation", "test")
TOY_NUMBER = 10_000


def names() -> tuple[str, ...]:
    """The names that `load` knows: pictures first, then words, then what is drawn."""
    return (*IMAGE_SETS, "newsgroups", *TEXTS, "patches", *DRAWN_SETS)


def load(
    name: str,
    split: str = "train",
    pixels: Pixels = GREY,
    *,
    labels: SomeLabels | None = None,
    root: str | Path | None = None,
    flatten: bool = True,
    n: int | None = None,
    seed: int | None = None,
    length: int | None = None,
) -> TensorData:
    """Loads a named data set.

    | name | data | splits |
    |---|---|---|
    | `digits` | 1,797 of 8x8 pixels, 17 levels, part of scikit-learn | train 1,437, test 360 |
    | `mnist`, `fashion_mnist` | 28x28 pixels | train 60,000, test 10,000 |
    | `omniglot` | 28x28 pixels | train: drawers 0 to 14 of 20 (24,345), test: the others (8,115) |
    | `frey_faces` | 28x20 pixels | train 1,565, validation 200, test 200, shuffled |
    | `rings`, `ring`, `grid`, `moons`, `spirals`, `pinwheel`, `squares` | points | all three |
    | `furniture` | clouds of 128 points in space: tables, chairs, lamps, planes | all three |
    | `patches` | 12x12 pixels of scikit-learn's two photographs, whitened | all three |
    | `bars` | counts of 25 words in documents of ten topics | all three |
    | `sums` | lines such as "07+35=042" as numbers of characters | all three |
    | `harmonics` | waveforms of 256 samples in three timbres | all three |
    | `tinyshakespeare` | plays as numbers of characters | train, test: the last tenth |
    | `newsgroups` | counts of 2,000 words in articles of at most 500 | train 11,095, test 7,376 |

    A published set is the file `<name>.npz` in `root`, else in the folder that the environment
    variable `DGMPPL_DATA` names, else in the user's cache, to which MNIST and Fashion-MNIST are
    downloaded once. MNIST's and Fashion-MNIST's `train` are whole: take a validation set out of it
    with slices. The splits of the digits, Omniglot and the Frey faces are ours, seeded where drawn.

    Arguments:
        name: The set's name.
        split: Which part.
        pixels: The treatment of pixels: `Grey()`, `DynamicBinarisation()`, `StaticBinarisation()`
            or `Dequantisation()`. Pictures only.
        labels: `SomeLabels(100)` makes a batch a mapping {"x", "y"} that shows a program so many
            labels of the training data, and none of other splits.
        root: The folder to look in first. Pictures only.
        flatten: Pictures as rows `[N, height·width]`, or else `[N, 1, height, width]`.
        n: How many points to draw, 10,000 unless told. Toy sets and patches only.
        seed: Of the points, 0 unless told; splits differ under one seed. Likewise.
        length: Characters in a piece, 128 unless told. Texts only.

    Returns:
        Data of float32: pixels in [0, 1], or points; with labels where there are any (class,
        character, component), and the record of all these choices.

    Raises:
        ValueError: If there is no such name or split, an option is not for that set, or a file is
            of another format.
        DataNotFound: If a file is nowhere and cannot be downloaded. It says how to get it.

    Example:
        >>> digits = load("digits", "test")
        >>> len(digits), tuple(digits.values.shape), digits.image_shape
        (360, (360, 64), (1, 8, 8))
    """
    if labels is not None:
        options: Any = {"root": root, "flatten": flatten, "n": n, "seed": seed, "length": length}
        data = load(name, split, pixels, **options)
        return labels(data) if split == "train" else replace(labels, number=0, copies=1)(data)
    if name in TEXTS:
        _refuse(name, "of fixed size", n=n, seed=seed)
        _refuse(name, "without pixels", pixels=None if pixels == GREY else pixels)
        _check_split(name, split, ("train", "test"))
        return text(name, split, root, 128 if length is None else length)
    _refuse(name, "no text", length=length)
    if name in IMAGE_SETS:
        _refuse(name, "of fixed size", n=n, seed=seed)
        return _pictures(name, split, pixels, root, flatten)
    if name == "newsgroups":
        _refuse(name, "of fixed size", n=n, seed=seed)
        _refuse(name, "without pixels", pixels=None if pixels == GREY else pixels)
        _check_split(name, split, ("train", "test"))
        return newsgroups(split, root)
    if name in DRAWN_SETS or name == "patches":
        _refuse(name, "without pixels", pixels=None if pixels == GREY else pixels)
        return _points(name, split, TOY_NUMBER if n is None else n, 0 if seed is None else seed)
    close = get_close_matches(name.lower(), names(), n=3, cutoff=0.5) or names()
    raise ValueError(
        f"Expected the name of a data set, got '{name}'. Try {' or '.join(close)}, or "
        "as_data(path) for a file of your own."
    )


def _pictures(
    name: str, split: str, pixels: Pixels, root: str | Path | None, flatten: bool
) -> TensorData:
    """A set of pictures, treated for the first time."""
    chosen = IMAGE_SETS[name]
    _check_split(name, split, chosen.splits)
    images, labels, file = chosen.read(split, root)
    grey = torch.from_numpy(images).float().div_(chosen.levels)
    return TensorData(
        pixels.prepare(grey.flatten(1) if flatten else grey.unsqueeze(1)),
        transform=pixels,
        record={"name": name, "split": split, "pixels": pixels.label, **file},
        labels=None if labels is None else torch.from_numpy(labels.astype("int64")),
        image_shape=(1, *images.shape[1:]),
    )


def _points(name: str, split: str, n: int, seed: int) -> TensorData:
    """Points from a toy distribution; each pair of seed and split has its own generator."""
    _check_split(name, split, TOY_SPLITS)
    if n < 1:
        raise ValueError(f"Expected at least one point, got n={n}. Try n={TOY_NUMBER}.")
    stream = len(TOY_SPLITS) * seed + TOY_SPLITS.index(split)
    generator = torch.Generator().manual_seed(stream)
    record: dict[str, Any] = {"name": name, "split": split, "seed": seed}
    record |= {"alphabet": ALPHABETS[name]} if name in ALPHABETS else {}
    if name == "patches":
        return TensorData(patches(split, n, generator), record=record, image_shape=(1, SIDE, SIDE))
    points, labels = DRAWN_SETS[name](n, generator)
    return TensorData(points, record=record, labels=labels)


def _check_split(name: str, split: str, splits: tuple[str, ...]) -> None:
    if split not in splits:
        raise ValueError(f"Expected a split of '{name}', got '{split}'. Try {' or '.join(splits)}.")


def _refuse(name: str, reason: str, **options: Any) -> None:
    """Options that another kind of set has."""
    given = [option for option, value in options.items() if value is not None]
    if given:
        raise ValueError(
            f"Expected no {given[0]}= for '{name}', a set {reason}, got {options[given[0]]!r}. "
            "Try leaving it out" + ("; .first(n) takes the first rows." if "n" in given else ".")
        )
