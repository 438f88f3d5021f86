"""Anything a user may call data, as data."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dgmppl.data.loaders import LoaderData
from dgmppl.data.tensors import TensorData

__all__ = ["as_data", "sha256"]

# Types that torch stores but barely computes with, and the next wider ones.
WIDER = {"uint16": np.int32, "uint32": np.int64}


def as_data(source: Any) -> TensorData | LoaderData:
    """Wraps what a user has.

    Integer arrays stay integers and tensors keep their dtype; numpy's float64 becomes torch's
    default dtype.

    Arguments:
        source: A tensor or numpy array `[N, ...]`; a mapping or tuple of them with one N; the path
            of a `.npy` file or of a `.npz` file (one array: a tensor; several: a mapping); a torch
            `Dataset` or `DataLoader`; or what this function has returned.

    Returns:
        Data that `batches` can walk.

    Raises:
        TypeError: If `source` is something else.
        ValueError: If the entries' first dimensions differ, or a file is of another format.
        FileNotFoundError: If there is no such file.

    Example:
        >>> as_data({"x": np.zeros((4, 2)), "label": np.arange(4)}).values["x"].dtype
        torch.float32
    """
    if isinstance(source, TensorData | LoaderData):
        return source
    if isinstance(source, str | Path):
        return _from_file(Path(source).expanduser())
    if isinstance(source, Dataset | DataLoader):
        return LoaderData(source)
    if isinstance(source, Mapping | tuple):
        name = "mapping" if isinstance(source, Mapping) else "tuple"
        return TensorData(_tensors(source), record={"name": name})
    name = "array" if isinstance(source, np.ndarray) else "tensor"
    return TensorData(_tensor(source), record={"name": name})


def sha256(path: Path) -> str:
    """A file's sha256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tensors(source: Any) -> Any:
    """Mappings and tuples, nested as they are, with tensors for arrays."""
    if isinstance(source, Mapping):
        return {str(name): _tensors(entry) for name, entry in source.items()}
    if isinstance(source, tuple):
        entries = [_tensors(entry) for entry in source]
        return type(source)(*entries) if hasattr(source, "_fields") else tuple(entries)
    return _tensor(source)


def _tensor(array: Any) -> Tensor:
    """A tensor of the array's numbers."""
    if isinstance(array, Tensor):
        return array
    if not isinstance(array, np.ndarray):
        raise TypeError(
            "Expected a tensor, an array, a mapping or tuple of them, a path, a Dataset or a "
            f"DataLoader, got {type(array).__name__}. Try torch.as_tensor(data)."
        )
    if array.dtype.kind not in "biufc":
        raise TypeError(f"Expected an array of numbers, got dtype {array.dtype}. Try encoding it.")
    dtype = WIDER.get(array.dtype.name, array.dtype.newbyteorder("="))
    # Torch wants memory that may be written and lies in order; a file's may not.
    tensor = torch.from_numpy(np.require(array, dtype=dtype, requirements=["C", "W"]))
    return tensor.to(torch.get_default_dtype()) if tensor.dtype == torch.float64 else tensor


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """A file's arrays by name; that of a `.npy` file has none."""
    with path.open("rb") as file:
        content = np.load(file, allow_pickle=False)
        return {"": content} if isinstance(content, np.ndarray) else dict(content)


def _from_file(path: Path) -> TensorData:
    """The arrays of a `.npy` or `.npz` file."""
    if path.suffix not in (".npy", ".npz"):
        raise ValueError(
            f"Expected a path that ends in .npy or .npz, got '{path}'. Try numpy.savez, or "
            "load(name) for a named data set."
        )
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file, got no such file: '{path}'. Try its full path.")
    try:
        arrays = _arrays(path)
    except (ValueError, OSError, EOFError, BadZipFile, zlib.error) as error:
        raise ValueError(
            f"Expected plain arrays of numbers in '{path}', got: {error}. Try writing the file "
            "anew with numpy.save or numpy.savez."
        ) from error
    values: Any = {name: _tensor(array) for name, array in arrays.items()}
    record = {"name": path.name, "sha256": sha256(path)}
    return TensorData(next(iter(values.values())) if len(values) == 1 else values, record=record)
