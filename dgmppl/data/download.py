"""Downloads of IDX files, checked and kept as one `.npz` file."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooch

__all__ = ["DownloadError", "Part", "download", "parse_idx"]


class DownloadError(OSError):
    """No mirror served the right bytes."""


@dataclass(frozen=True)
class Part:
    """One gzipped IDX file.

    Arguments:
        urls: Mirrors, tried in order.
        sha256: Of the uncompressed bytes: the same for every mirror, however it compresses.
    """

    urls: tuple[str, ...]
    sha256: str


def download(parts: Mapping[str, Part], path: Path) -> None:
    """Fetches the parts and writes them as the arrays of one file, whole or not at all.

    Arguments:
        parts: Array name → what to fetch.
        path: The `.npz` file to write.

    Raises:
        DownloadError: If there are no parts, or no mirror serves one of them.
    """
    if not parts:
        raise DownloadError("There is no mirror to download it from.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            arrays = {name: parse_idx(_fetch(part, folder)) for name, part in parts.items()}
            whole = Path(folder, path.name)
            np.savez_compressed(whole, allow_pickle=False, **arrays)
            os.replace(whole, path)
    except OSError as error:
        raise DownloadError(f"The download failed: {error}") from error


def parse_idx(content: bytes) -> np.ndarray:
    """The array of unsigned bytes in an IDX file.

    Arguments:
        content: Two zero bytes, the type (8: unsigned byte), the number of dimensions, each of them
            as a big-endian 32-bit integer, then the values.

    Raises:
        ValueError: If the header or the length is another.

    References:
        The MNIST Database, Yann LeCun, Corinna Cortes, Christopher Burges, 1998.
        https://yann.lecun.com/exdb/mnist/

    Example:
        >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 7])).tolist()
        [5, 7]
    """
    if content[:3] != bytes([0, 0, 8]) or len(content) < 4 + 4 * content[3]:
        raise ValueError(f"Expected an IDX file of bytes, got a start of {content[:4]!r}.")
    shape = struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]])
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])
    if values.size != np.prod(shape, dtype=np.int64):
        raise ValueError(f"Expected {shape} bytes in an IDX file, got {values.size}.")
    return values.reshape(shape)


def _fetch(part: Part, folder: str) -> bytes:
    """The uncompressed bytes, from the first mirror that has the right ones."""
    failures = []
    for url in part.urls:
        try:
            # No hash here: mirrors may compress differently, the content is checked below.
            file = pooch.retrieve(url, known_hash=None, path=folder, fname=None)
            content = gzip.decompress(Path(file).read_bytes())
        except (OSError, EOFError, ValueError, zlib.error) as error:
            failures.append(f"{url}: {type(error).__name__}")
            continue
        digest = hashlib.sha256(content).hexdigest()
        if digest == part.sha256:
            return content
        failures.append(f"{url}: Expected sha256 {part.sha256}, got {digest}")
    raise DownloadError("; ".join(failures))
