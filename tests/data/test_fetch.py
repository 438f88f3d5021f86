"""A file is found in a folder, in the cache, or on a mirror whose bytes are the right ones."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pooch
import pytest

from dgmppl.data import DataNotFound
from dgmppl.data.download import DownloadError, Part, download, parse_idx
from dgmppl.data.fetch import Published

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def as_idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def published(*urls: str, content: bytes = as_idx(IMAGES)) -> Published:
    part = Part(urls, hashlib.sha256(content).hexdigest())
    parts = {"images": part} if urls else {}
    return Published("own", {"images": "(2, 3, 4) uint8"}, "known", "the archive", parts)


@pytest.fixture
def mirrors(monkeypatch):
    """A network of URL → bytes, and the list of what was asked for."""
    served, asked = {}, []

    def retrieve(url, *, known_hash, path, fname):
        asked.append(url)
        if url not in served:
            raise ConnectionError("offline")
        file = Path(path, f"{len(asked)}.gz")
        file.write_bytes(served[url])
        return str(file)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    return served, asked


def write(folder: Path, **arrays: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "own.npz", **arrays)
    return folder / "own.npz"


def test_a_folder_of_the_environment_is_read_and_the_file_recorded(tmp_path, monkeypatch):
    path = write(tmp_path / "data", images=IMAGES)
    monkeypatch.setenv("DGMPPL_DATA", str(tmp_path / "data"))
    with published().open() as (arrays, record):
        assert np.array_equal(arrays["images"], IMAGES)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert record == {"sha256": digest, "sha256_expected": "known"}


def test_the_known_file_needs_no_remark(tmp_path):
    digest = hashlib.sha256(write(tmp_path, images=IMAGES).read_bytes()).hexdigest()
    with Published("own", {"images": ""}, digest, "").open(tmp_path) as (_, record):
        assert record == {"sha256": digest}


def test_root_comes_before_the_environment_and_the_cache(tmp_path, monkeypatch, cache):
    for value, folder in enumerate([cache, tmp_path / "environment", tmp_path / "root"]):
        write(folder, images=np.full((1, 1, 1), value, np.uint8))
    monkeypatch.setenv("DGMPPL_DATA", str(tmp_path / "environment"))
    for root, value in [(tmp_path / "root", 2), (None, 1), (tmp_path / "nothing", 0)]:
        with published().open(root) as (arrays, _):
            assert arrays["images"].item() == value


def test_a_download_is_checked_kept_and_not_repeated(mirrors, cache):
    served, asked = mirrors
    served["http://a"] = gzip.compress(as_idx(IMAGES))
    for _ in range(2):
        with published("http://a").open() as (arrays, record):
            assert np.array_equal(arrays["images"], IMAGES)
            assert set(record) == {"sha256"}
    assert asked == ["http://a"]
    assert [file.name for file in cache.iterdir()] == ["own.npz"]


@pytest.mark.parametrize(
    "wrong",
    [None, b"", b"no gzip", gzip.compress(as_idx(IMAGES))[:-9], gzip.compress(as_idx(IMAGES + 1))],
    ids=["offline", "empty", "page", "cut", "other"],
)
def test_a_bad_mirror_gives_way_to_a_good_one(mirrors, wrong):
    served, asked = mirrors
    if wrong is not None:
        served["http://bad"] = wrong
    served["http://good"] = gzip.compress(as_idx(IMAGES), compresslevel=1)
    with published("http://bad", "http://good").open() as (arrays, _):
        assert np.array_equal(arrays["images"], IMAGES)
    assert asked == ["http://bad", "http://good"]


def test_wrong_bytes_are_never_used_nor_kept(mirrors, cache):
    served, _ = mirrors
    served["http://a"] = gzip.compress(as_idx(IMAGES + 1))
    with pytest.raises(DataNotFound, match="Expected sha256"), published("http://a").open():
        pass
    assert list(cache.iterdir()) == []


def test_offline_the_error_says_where_how_and_what(tmp_path, cache):
    with pytest.raises(DataNotFound) as caught, published("http://a").open(tmp_path):
        pass
    message = str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)
    for part in ("own.npz", str(tmp_path), str(cache), "the archive", "images (2, 3, 4) uint8"):
        assert part in message
    assert "http://a: ConnectionError" in message
    assert "DGMPPL_DATA" in message


def test_without_a_mirror_nothing_is_tried(mirrors):
    _, asked = mirrors
    with pytest.raises(DataNotFound, match="DGMPPL_DATA, which is not set"), published().open():
        pass
    assert asked == []


def test_a_cache_that_cannot_be_written_is_no_crash(mirrors, cache):
    served, _ = mirrors
    served["http://a"] = gzip.compress(as_idx(IMAGES))
    cache.write_text("a file where the folder should be")
    with pytest.raises(DataNotFound, match="download failed"), published("http://a").open():
        pass


def test_an_archive_without_an_array_is_named(tmp_path):
    write(tmp_path, pictures=IMAGES)
    pattern = r"images \(2, 3, 4\) uint8, got .*lacks \['images'\]"
    with pytest.raises(ValueError, match=pattern), published().open(tmp_path):
        pass


def test_a_file_of_another_format_or_damaged_is_named(tmp_path):
    path = write(tmp_path, images=np.random.default_rng(0).integers(0, 255, (9, 9, 9), np.uint8))
    whole = path.read_bytes()
    turned = bytearray(whole)
    turned[len(whole) // 2] ^= 1
    np.save(tmp_path / "one.npy", IMAGES)
    single = (tmp_path / "one.npy").read_bytes()
    for content in (b"", b"a page", b"PK\x03\x04torn", whole[:200], single, bytes(turned)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="Try another copy"), published().open(tmp_path) as got:
            got[0]["images"]


def test_idx_files_are_parsed():
    assert np.array_equal(parse_idx(as_idx(IMAGES)), IMAGES)


@pytest.mark.parametrize(
    "wrong", [b"", b"\0\0\x0d\1\0\0\0\0", as_idx(IMAGES)[:-1], as_idx(IMAGES)[:9]]
)
def test_other_bytes_are_no_idx_file(wrong):
    with pytest.raises(ValueError, match="IDX file"):
        parse_idx(wrong)


def test_nothing_to_download_is_an_error(tmp_path):
    with pytest.raises(DownloadError, match="no mirror"):
        download({}, tmp_path / "own.npz")
