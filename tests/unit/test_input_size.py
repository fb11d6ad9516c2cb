"""Rows and bytes of an input, estimated from footers and samples, and the memory that is left."""

from __future__ import annotations

import bz2
import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.runtime.input_size import InputSize, input_files, input_size
from engine.runtime.memory import available_memory
from engine.settings import Settings, load_settings

LINES = b"".join(b"%07d,%s\n" % (number, b"claim" * 10) for number in range(100_000))  # 59 bytes each


def size_of(tmp_path: Path, name: str, content: bytes) -> InputSize:
    (tmp_path / name).write_bytes(content)
    return input_size([tmp_path / name])


@pytest.mark.parametrize("name", ["a.csv", "a.psv", "a.jsonl"])
def test_text_counts_with_its_bytes_and_the_lines_of_its_start(tmp_path: Path, name: str) -> None:
    assert size_of(tmp_path, name, LINES) == InputSize(len(LINES), pytest.approx(100_000, rel=0.01))


@pytest.mark.parametrize(("ending", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress)])
def test_compressed_text_counts_with_what_it_expands_to(
    tmp_path: Path, ending: str, compress: Callable[..., Any]
) -> None:
    found = size_of(tmp_path, f"a.csv.{ending}", compress(LINES))
    assert found.bytes == pytest.approx(len(LINES), rel=0.05)
    assert found.rows == pytest.approx(100_000, rel=0.05)


def test_a_long_gzip_is_judged_by_its_start(tmp_path: Path) -> None:
    """Of more than the sample: text that does not compress well, as several members."""
    text = b"".join(b"%s\n" % bytes(40 + (number * place) % 80 for place in range(199)) for number in range(20_000))
    content = gzip.compress(text, compresslevel=0) + gzip.compress(text, compresslevel=0)
    found = size_of(tmp_path, "a.csv.gz", content)
    assert found.bytes == pytest.approx(2 * len(text), rel=0.05)
    assert found.rows == pytest.approx(40_000, rel=0.05)


def test_parquet_counts_with_the_rows_and_uncompressed_bytes_of_its_footer(tmp_path: Path) -> None:
    table = pa.table({"n": pa.array(range(50_000), pa.int64())})
    for name, compression in (("a", "zstd"), ("b", "none")):
        pq.write_table(table, tmp_path / f"{name}.parquet", compression=compression, use_dictionary=False)
    for name in "ab":
        found = input_size([tmp_path / f"{name}.parquet"])
        assert found.rows == 50_000
        assert found.bytes == pytest.approx(400_000, rel=0.05)
    assert (tmp_path / "a.parquet").stat().st_size < 300_000


def test_archives_and_workbooks_count_with_the_bytes_of_their_members(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.csv", LINES)
        archive.writestr("two.csv", LINES)
    assert input_size([tmp_path / "a.zip"]).bytes == 2 * len(LINES)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv.gz", "a.csv.bz2", "a.zip", "a.xlsx"])
def test_a_damaged_file_counts_with_its_own_bytes(tmp_path: Path, name: str) -> None:
    assert size_of(tmp_path, name, b"nonsense" * 100).bytes == 800


def test_empty_and_missing_files_count_nothing(tmp_path: Path) -> None:
    assert size_of(tmp_path, "a.csv", b"") == InputSize(0, 0)
    assert input_size([tmp_path / "none.csv"]) == InputSize(0, 0)
    assert input_size([]) == InputSize(0, 0)


def test_of_many_files_some_stand_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []
    size = input_size.__globals__["_size"]
    monkeypatch.setitem(input_size.__globals__, "_size", lambda file: looked_at.append(file) or size(file))
    for number in range(1_000):
        (tmp_path / f"{number}.csv").write_bytes(b"12345678,\n" * 10)
    assert input_size(sorted(tmp_path.iterdir())) == InputSize(pytest.approx(100_000), pytest.approx(10_000))
    assert len(looked_at) == 200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "rebate_claims/state=AK/part.parquet",
        "rebate_claims/_SUCCESS",
        "rebate_claims/.part.crc",
        "Invoices.CSV",
        "link_truth/part.parquet",
        "prices.csv.gz",
        "more/sdud-2024.csv",
        "more/SDUD-2025.csv",
        "more/deep/er/SDUD-2026.csv",
        "odd[1].csv",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def names(folder: Path, settings: Settings) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in input_files(settings)}


def test_tables_are_found_by_name_in_the_input_folder(folder: Path) -> None:
    found = names(folder, load_settings(None, [f"input.root={folder}"]))
    assert found == {"rebate_claims/state=AK/part.parquet", "Invoices.CSV", "prices.csv.gz"}
    assert names(folder, load_settings(None, [f"input.root=file://{folder}"])) == found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("more", {"more/sdud-2024.csv", "more/SDUD-2025.csv", "more/deep/er/SDUD-2026.csv"}),
        ("more/*.csv", {"more/sdud-2024.csv", "more/SDUD-2025.csv"}),
        ("more/{sdud,SDUD}-202?.csv", {"more/sdud-2024.csv", "more/SDUD-2025.csv"}),
        ("more/**/SDUD*.csv", {"more/SDUD-2025.csv", "more/deep/er/SDUD-2026.csv"}),
        ("odd[1].csv", {"odd[1].csv"}),
        ("{more,nothing}/deep", {"more/deep/er/SDUD-2026.csv"}),
        ("nothing*", set()),
        ("s3://bucket/x.csv", set()),
    ],
)
def test_files_folders_and_patterns_of_the_tables_own_paths(folder: Path, path: str, expected: set[str]) -> None:
    tables = {"pharmacies": {"path": path}}
    without_folder = Settings.model_validate({"input": {"root": f"{folder}/", "tables": tables}})
    by_name = {"rebate_claims/state=AK/part.parquet", "Invoices.CSV", "prices.csv.gz"}
    assert names(folder, without_folder) == by_name | expected
    if "://" not in path:
        absolute = {"pharmacies": {"path": [f"{folder}/{path}"]}}
        assert names(folder, Settings.model_validate({"input": {"tables": absolute}})) == expected


def test_fallbacks_count_and_each_file_once(folder: Path) -> None:
    products = {"path": "more/sdud-2024.csv", "fallback": {"path": "odd[1].csv"}}
    tables = {"products": products, "invoices": {"path": "more/sdud-2024.csv"}}
    found = input_files(Settings.model_validate({"input": {"root": str(folder / "more"), "tables": tables}}))
    assert found == []  # relative to another folder
    found = input_files(Settings.model_validate({"input": {"root": str(folder), "tables": tables}}))
    of_paths = [file for file in found if file.parent == folder / "more" or "odd" in file.name]
    assert of_paths == [folder / "more" / "sdud-2024.csv", folder / "odd[1].csv"]


def test_available_memory_is_the_least_of_the_machine_and_its_containers_limit(tmp_path: Path) -> None:
    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 900 kB\nMemAvailable:  500 kB\n")
    assert available_memory(tmp_path) == 512_000
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("100000\n")
    assert available_memory(tmp_path) == 512_000
    (group / "memory.max").write_text("400000\n")
    assert available_memory(tmp_path) == 300_000
    (group / "memory.max").unlink()
    (group / "memory").mkdir()
    (group / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (group / "memory" / "memory.usage_in_bytes").write_text("100000\n")
    assert available_memory(tmp_path) == 512_000
    (group / "memory" / "memory.limit_in_bytes").write_text("150000\n")
    assert available_memory(tmp_path) == 50_000


def test_available_memory_without_proc_is_the_whole_machines(tmp_path: Path) -> None:
    found = available_memory(tmp_path)
    assert found is not None
    assert found > 2**28
