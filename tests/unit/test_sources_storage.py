"""What readers ask of a file system: listings, first bytes, checksums."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from engine.errors import OutputError
from engine.runtime.storage import Storage, storage_of

pytestmark = pytest.mark.both_engines


@pytest.fixture
def storage(spark: SparkSession) -> Storage:
    return storage_of(spark)


def test_files_in_a_folder_and_below_sorted_by_name(storage: Storage, tmp_path: Path) -> None:
    for name, content in (("b c.csv", b"12345"), ("a/[x]=1/d.parquet", b""), ("a/_SUCCESS", b"")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    listed = storage.files(str(tmp_path))
    assert [(file.name, file.length) for file in listed] == [
        *(("a/[x]=1/d.parquet", 0), ("a/_SUCCESS", 0), ("b c.csv", 5)),
    ]
    assert storage.local_path(listed[2].uri) == tmp_path / "b c.csv"
    (itself,) = storage.files(f"{tmp_path}/b c.csv")
    assert itself == listed[2]
    assert storage.files(f"{tmp_path}/nothing") == []


def test_first_bytes_are_uncompressed(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"abcdef")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"abcdef"))
    assert storage.first_bytes(f"{tmp_path}/x.csv", 3) == b"abc"
    assert storage.first_bytes(f"{tmp_path}/x.csv.gz", 3) == b"abc"
    assert storage.first_bytes(f"{tmp_path}/x.csv", 100) == b"abcdef"


def test_a_local_file_system_keeps_no_checksum(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert storage.checksum(f"{tmp_path}/x") is None


@pytest.fixture(params=["local", "remote"])
def either(request: pytest.FixtureRequest, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """The storage as it treats local paths, and as the engine's own file systems treat any other."""
    if request.param == "remote":
        monkeypatch.setattr(storage, "_local", lambda _: None)
    return storage


def test_a_new_file_is_created_once(either: Storage, tmp_path: Path) -> None:
    place = f"{tmp_path}/a/lease.json"
    either.make_folder(f"{tmp_path}/a")
    assert either.create_new(place, b"first")
    assert not either.create_new(place, b"second")
    assert either.read_bytes(place) == b"first"
    with pytest.raises(OutputError):
        either.create_new(f"{place}/below", b"x")


def test_a_refreshed_file_is_as_new_as_one_written_now(either: Storage, tmp_path: Path) -> None:
    place = f"{tmp_path}/lease.json"
    either.write_bytes(place, b"x")
    os.utime(place, (1, 1))
    assert either.modified(place) == 1
    either.refresh(place)
    either.write_bytes(f"{tmp_path}/now", b"")
    assert abs(either.modified(f"{tmp_path}/now") - either.modified(place)) < 60
    assert either.read_bytes(place) == b"x"


def test_folders_are_moved_and_copied_only_to_free_names(either: Storage, tmp_path: Path) -> None:
    for name in ("old", "new"):
        either.write_text(f"{tmp_path}/{name}/below/file", name)
    with pytest.raises(OutputError, match="File exists"):
        either.rename(f"{tmp_path}/new", f"{tmp_path}/old")
    either.copy(f"{tmp_path}/new", f"{tmp_path}/copy")
    either.rename(f"{tmp_path}/new", f"{tmp_path}/moved")
    assert not either.exists(f"{tmp_path}/new")
    for name, content in (("old", b"old"), ("copy", b"new"), ("moved", b"new")):
        assert either.is_folder(f"{tmp_path}/{name}/below")
        assert either.children(f"{tmp_path}/{name}/below") == ["file"]
        assert either.read_bytes(f"{tmp_path}/{name}/below/file") == content
    either.delete(f"{tmp_path}/old")
    either.delete(f"{tmp_path}/old")
    assert either.children(str(tmp_path)) == ["copy", "moved"]


def test_one_place_has_one_name(either: Storage, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    names = {either.real_location(f"{scheme}{tmp_path}/a") for scheme in ("", "file:", "file://")}
    assert len(names) == 1


def test_a_file_that_cannot_be_written_leaves_the_one_before(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "began-with.json"
    storage.write_text(str(place), "before")

    def full(*_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "move", full)
    with pytest.raises(OutputError, match=r"No space left on device(.|\n)*free space"):
        storage.write_text(str(place), "after")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]
