"""Splits part a set: no picture is in two, none is lost."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dgmppl.data import load
from dgmppl.data.images import IMAGE_SETS


def pictures(n: int, height: int = 4, width: int = 3) -> np.ndarray:
    """Pictures that all differ: their first two pixels count."""
    images = np.zeros((n, height, width), np.uint8)
    images[:, 0, 0], images[:, 0, 1] = np.arange(n) // 256, np.arange(n) % 256
    return images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    like_mnist = {
        "train_images": pictures(12),
        "train_labels": np.arange(12, dtype=np.uint8) % 10,
        "test_images": pictures(20)[12:],
        "test_labels": np.arange(12, 20, dtype=np.uint8) % 10,
    }
    character, drawer = np.divmod(np.arange(60), 20)
    omniglot = {
        "images": pictures(60),
        "drawer": drawer.astype(np.uint8),
        "character": character.astype(np.uint16),
    }
    np.savez(tmp_path / "mnist.npz", **like_mnist)
    np.savez(tmp_path / "fashion_mnist.npz", **like_mnist)
    np.savez(tmp_path / "omniglot.npz", **omniglot)
    np.savez(tmp_path / "frey_faces.npz", images=pictures(450))
    return tmp_path


def position(values: torch.Tensor) -> list[int]:
    """Which pictures these are."""
    counts = (values[:, :2] * 255).round().long()
    return (counts[:, 0] * 256 + counts[:, 1]).tolist()


SIZES = {
    "mnist": {"train": 12, "test": 8},
    "fashion_mnist": {"train": 12, "test": 8},
    "omniglot": {"train": 45, "test": 15},
    "frey_faces": {"train": 50, "validation": 200, "test": 200},
}


@pytest.mark.parametrize("name", SIZES)
def test_splits_are_a_partition(name, folder):
    parts = {split: load(name, split, root=folder) for split in SIZES[name]}
    assert {split: len(data) for split, data in parts.items()} == SIZES[name]
    rows = [row for data in parts.values() for row in position(data.values)]
    assert sorted(rows) == list(range(sum(SIZES[name].values())))


@pytest.mark.parametrize("name", SIZES)
def test_a_split_is_the_same_each_time(name, folder):
    first = load(name, "test", root=folder)
    torch.manual_seed(99)
    assert torch.equal(first.values, load(name, "test", root=folder).values)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "omniglot"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_labels_belong_to_their_pictures(name, split, folder):
    data = load(name, split, root=folder)
    rows = torch.tensor(position(data.values))
    expected = rows // 20 if name == "omniglot" else rows % 10
    assert data.labels.dtype == torch.int64
    assert torch.equal(data.labels, expected)


def test_omniglot_is_split_by_drawer(folder):
    train = load("omniglot", root=folder)
    assert {row % 20 for row in position(train.values)} == set(range(15))


def test_digits_are_split_in_proportion():
    train, test = load("digits"), load("digits", "test")
    assert (len(train), len(test)) == (1437, 360)
    shares = torch.bincount(test.labels) / torch.bincount(torch.cat([train.labels, test.labels]))
    assert (shares - 360 / 1797).abs().max() < 0.01
    assert set((train.values * 16).unique().tolist()) == set(range(17))
    # All 1,797 differ, so a common row would be a datum in both.
    assert len(torch.cat([train.values, test.values]).unique(dim=0)) == 1797


def test_own_splits_record_their_seed(folder):
    assert load("digits").record["split_seed"] == 0
    assert load("frey_faces", root=folder).record["split_seed"] == 0
    assert "split_seed" not in load("mnist", root=folder).record


@pytest.mark.parametrize(
    "images", [pictures(450).astype("float32"), pictures(450).reshape(450, -1), pictures(300)]
)
def test_pictures_of_another_type_or_too_few_are_refused(images, tmp_path):
    np.savez(tmp_path / "frey_faces.npz", images=images)
    with pytest.raises(ValueError, match="Expected pictures"):
        load("frey_faces", root=tmp_path)


def test_every_set_has_a_training_and_a_test_split():
    assert all({"train", "test"} <= set(images.splits) for images in IMAGE_SETS.values())
