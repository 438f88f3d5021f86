"""Where a published data set's file comes from: a folder, the user's cache, or a download."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np
import pooch
from numpy.lib.npyio import NpzFile

from dgmppl.data.download import DownloadError, Part, download
from dgmppl.data.sources import sha256

__all__ = ["DataNotFound", "Published", "cache_folder", "chosen_folder"]


class DataNotFound(FileNotFoundError):  # noqa: N818 (it reads as what happened)
    """A data set that is on no known place and could not be downloaded."""


def cache_folder() -> Path:
    """The folder for what was downloaded, the operating system's usual one for this user."""
    return Path(pooch.os_cache("dgmppl"))


@dataclass(frozen=True)
class Published:
    """A data set of arrays in a file `<name>.npz`.

    Arguments:
        name: The data set's name.
        arrays: The arrays the file must hold, each with its shape and type in words.
        sha256: Of the file we know. Another one is a user's own, and is used too.
        origin: Where a person finds the data.
        parts: What a download consists of; empty where there is no mirror that we can vouch for.

    Example:
        >>> own = Published("own", {"images": "(N, 28, 28) uint8"}, sha256="", origin="your disk")
        >>> try:
        ...     with own.open("/nowhere") as (arrays, record):
        ...         pass
        ... except DataNotFound as error:
        ...     print(str(error)[:50])
        Expected the data set 'own' in a file own.npz, got
    """

    name: str
    arrays: Mapping[str, str]
    sha256: str
    origin: str
    parts: Mapping[str, Part] = field(default_factory=dict)

    @contextmanager
    def open(
        self, root: str | Path | None = None
    ) -> Iterator[tuple[Mapping[str, Any], dict[str, str]]]:
        """The arrays, each read when it is asked for, and the record of the file.

        Arguments:
            root: The folder to look in first; `None` for that in `DGMPPL_DATA`.

        Raises:
            DataNotFound: If there is no file and no download.
            ValueError: If the file is of another format.
        """
        path, record = self._locate(chosen_folder(root))
        with path.open("rb") as stream:
            try:
                file = _load(stream)
                missing = [key for key in self.arrays if key not in file]
                if missing:
                    raise BadZipFile(f"it lacks {missing}")
                yield file, record
            except (BadZipFile, zlib.error) as error:
                raise ValueError(
                    f"Expected a .npz file with the arrays {self._format()}, got '{path}': "
                    f"{error}. Try another copy."
                ) from error

    def _locate(self, folder: Path | None) -> tuple[Path, dict[str, str]]:
        """The file, downloaded where it must be, and its record."""
        if folder is not None and (path := folder / f"{self.name}.npz").is_file():
            digest = sha256(path)
            other = {} if digest == self.sha256 else {"sha256_expected": self.sha256}
            return path, {"sha256": digest, **other}
        path = cache_folder() / f"{self.name}.npz"
        reason = ""
        if not path.is_file():
            try:
                download(self.parts, path)
            except DownloadError as error:
                reason = f" {error}"
        if path.is_file():
            return path, {"sha256": sha256(path)}
        raise DataNotFound(self._lost(folder, path.parent) + reason)

    def _lost(self, folder: Path | None, cache: Path) -> str:
        looked = f"in '{folder}'" if folder else "in DGMPPL_DATA, which is not set,"
        return (
            f"Expected the data set '{self.name}' in a file {self.name}.npz, got no such file "
            f"{looked} or in the cache '{cache}'. Try getting the data from {self.origin} and "
            f"writing {self.name}.npz with numpy.savez_compressed, with the arrays "
            f"{self._format()}; then set DGMPPL_DATA to its folder, or pass root=."
        )

    def _format(self) -> str:
        return "; ".join(f"{name} {kind}" for name, kind in self.arrays.items())


def _load(stream: BinaryIO) -> NpzFile:
    """An archive of arrays; raises `BadZipFile` for anything else."""
    try:
        file = np.load(stream, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BadZipFile(str(error)) from error
    if not isinstance(file, NpzFile):
        raise BadZipFile("it holds a single array")
    return file


def chosen_folder(root: str | Path | None) -> Path | None:
    """The folder to look in first, if there is one."""
    chosen = root or os.environ.get("DGMPPL_DATA")
    return Path(chosen).expanduser() if chosen else None
