"""What readers ask of a file system: listings, first bytes, checksums."""

from __future__ import annotations

import gzip

import pytest

from engine.storage import Storage


@pytest.fixture
def storage(spark) -> Storage:
    return Storage(spark)


def test_files_in_a_folder_and_below_sorted_by_name(storage, tmp_path):
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


def test_first_bytes_are_uncompressed(storage, tmp_path):
    (tmp_path / "x.csv").write_bytes(b"abcdef")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"abcdef"))
    assert storage.first_bytes(f"{tmp_path}/x.csv", 3) == b"abc"
    assert storage.first_bytes(f"{tmp_path}/x.csv.gz", 3) == b"abc"
    assert storage.first_bytes(f"{tmp_path}/x.csv", 100) == b"abcdef"


def test_a_local_file_system_keeps_no_checksum(storage, tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert storage.checksum(f"{tmp_path}/x") is None
