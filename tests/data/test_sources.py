"""What a user has becomes data without a change of its numbers."""

import hashlib
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from dgmppl.data import LoaderData, TensorData, as_data

X = np.arange(12.0).reshape(6, 2)


class Pair(NamedTuple):
    x: np.ndarray
    y: np.ndarray


def test_data_are_returned_as_they_are():
    for data in (TensorData(torch.zeros(2)), LoaderData(TensorDataset(torch.zeros(2)))):
        assert as_data(data) is data


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16, torch.float64])
def test_tensors_keep_their_dtype_and_memory(dtype):
    x = torch.zeros(3, 2, dtype=dtype)
    values = as_data(x).values
    assert values.dtype == dtype
    assert values.data_ptr() == x.data_ptr()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("float64", torch.float32),
        (">f8", torch.float32),
        ("float32", torch.float32),
        ("uint8", torch.uint8),
        ("uint16", torch.int32),
        ("uint32", torch.int64),
        ("int64", torch.int64),
        (">i4", torch.int32),
        ("bool", torch.bool),
    ],
)
def test_arrays_keep_their_numbers(given, kept):
    array = (X % 2).astype(given)
    values = as_data(array).values
    assert values.dtype == kept
    assert np.array_equal(values.numpy(), array)


def test_float64_arrays_become_the_default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        assert as_data(X).values.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_arrays_in_any_order_and_read_only_ones_are_taken():
    frozen = X.astype("float32")
    frozen.flags.writeable = False
    for array in (X[::-1], X.T, frozen, frozen[:, ::-1]):
        assert np.array_equal(as_data(array).values.numpy(), array)


def test_mappings_and_tuples_keep_their_form():
    mapped = as_data({"x": X, "label": torch.arange(6)})
    assert mapped.record["shape"] == {"x": [2], "label": []}
    assert isinstance(as_data((X, X)).values, tuple)
    assert isinstance(as_data(Pair(X, X)).values, Pair)
    with pytest.raises(ValueError, match="'x': 6, 'y': 5"):
        as_data({"x": X, "y": X[:5]})


@pytest.mark.parametrize(
    "source", [TensorDataset(torch.zeros(3)), DataLoader(TensorDataset(torch.zeros(3)))]
)
def test_loaders_are_wrapped(source):
    assert as_data(source).loader is source


def test_files_are_read_and_recorded(tmp_path):
    np.save(tmp_path / "one.npy", X)
    np.savez(tmp_path / "one.npz", anything=X)
    np.savez(tmp_path / "two.npz", x=X, label=np.arange(6))
    for name in ("one.npy", "one.npz"):
        data = as_data(tmp_path / name)
        assert np.array_equal(data.values.numpy(), X)
        digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        assert data.record == {"name": name, "sha256": digest, "number": 6, "shape": [2]}
    two = as_data(str(tmp_path / "two.npz"))
    assert set(two.values) == {"x", "label"}
    assert two.values["label"].dtype == torch.int64


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        as_data(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"\.npy or \.npz.*load"):
        as_data("mnist")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04torn")
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ("objects.npy", "torn.npz", "empty.npy"):
        with pytest.raises(ValueError, match="plain arrays of numbers"):
            as_data(tmp_path / name)
    np.savez(tmp_path / "uneven.npz", train=X, test=X[:2])
    with pytest.raises(ValueError, match="'train': 6, 'test': 2"):
        as_data(tmp_path / "uneven.npz")


@pytest.mark.parametrize("wrong", [None, 3, [1, 2], [torch.zeros(2)], {"x": "text"}, object()])
def test_other_sources_are_refused(wrong):
    with pytest.raises(TypeError, match=r"Expected a tensor, an array.*Try"):
        as_data(wrong)


def test_words_are_refused():
    with pytest.raises(TypeError, match="array of numbers"):
        as_data(np.array(["a", "b"]))
