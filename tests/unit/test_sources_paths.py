"""Which files a path means: names, patterns, partitions and hidden files, on a folder without Spark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.contracts.tables import TABLES
from engine.errors import Problem
from engine.runtime.storage import StoredFile, name_of
from engine.settings import Settings
from engine.sources.location import Location
from engine.sources.locations import likely_table, locate_tables
from engine.sources.partitions import partition_values
from engine.sources.paths import files_at
from engine.sources.unread import unread_files


class LocalStorage:
    """What locating files needs of engine.runtime.storage.Storage, on local paths."""

    def exists(self, uri: str) -> bool:
        return Path(uri).exists()

    def is_folder(self, uri: str) -> bool:
        return Path(uri).is_dir()

    def children(self, uri: str) -> list[str]:
        return sorted(path.name for path in Path(uri).iterdir())

    def qualified(self, uri: str) -> str:
        return str(Path(uri).absolute())

    def files(self, uri: str) -> list[StoredFile]:
        path = Path(uri).absolute()
        found = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        named = [(file.name if file == path else str(file.relative_to(path)), str(file)) for file in found]
        return [StoredFile(name, file, 0) for name, file in sorted(named)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def put(root: Path, *names: str) -> None:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")


def found(root: Path, path: str) -> list[str]:
    return sorted(file.uri.removeprefix(f"{root}/") for file in files_at(LocalStorage(), str(root), path))


def located(root: Path, tables: dict[str, dict[str, Any]] | None = None) -> tuple[list[Location], list[Problem]]:
    settings = Settings.model_validate(
        {"input": {"root": str(root), "tables": tables or {}}, "reference_folder": "none"}
    )
    return locate_tables(LocalStorage(), settings)


def files_of(root: Path, path: list[str] | str, **location: Any) -> list[str]:
    locations, problems = located(root, {"invoices": {"path": path, **location}})
    assert not problems, problems
    return sorted(file.uri.removeprefix(f"{root}/") for file in locations[0].files)


def problem_of(root: Path, path: list[str] | str, **location: Any) -> str:
    _, problems = located(root, {"invoices": {"path": path, **location}})
    assert len(problems) == 1
    return str(problems[0])


FILES = ("cld/a.parquet", "cld/b.parquet", "cld/README.txt", "cld/old/c.parquet", "cld/_SUCCESS", "cld/.a.parquet.crc")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("cld/*.parquet", ["cld/a.parquet", "cld/b.parquet"]),
        ("cld/[ab].parquet", ["cld/a.parquet", "cld/b.parquet"]),
        ("cld/[!a].parquet", ["cld/b.parquet"]),
        ("cld/[^a].parquet", ["cld/b.parquet"]),
        ("cld/?.parquet", ["cld/a.parquet", "cld/b.parquet"]),
        ("cld/{a,old/c}.parquet", ["cld/a.parquet", "cld/old/c.parquet"]),
        ("*/a.parquet", ["cld/a.parquet"]),
        ("**/*.parquet", ["cld/a.parquet", "cld/b.parquet", "cld/old/c.parquet"]),
        ("cld/**/c.parquet", ["cld/old/c.parquet"]),
        ("cld/ol*", ["cld/old/c.parquet"]),
        ("cld/*.PARQUET", []),
        ("nowhere/*.parquet", []),
    ],
)
def test_patterns(root: Path, path: str, expected: list[str]) -> None:
    put(root, *FILES)
    assert found(root, path) == expected
    assert found(root, f"{root}/{path}") == expected


@pytest.mark.parametrize(
    "name",
    [
        "claims[1].csv",
        "a b.csv",
        "a#b.csv",
        "50%.csv",
        "a%20b.csv",
        "a+b.csv",
        "Zoë 東京.csv",
        "{x}.csv",
        "q?.csv",
        "x=1.csv",
    ],
)
def test_a_name_that_exists_is_literal(root: Path, name: str) -> None:
    put(root, name, "claims1.csv", "x.csv", "q1.csv")
    assert found(root, name) == [name]
    put(root, f"folder {name}/part.csv")
    assert found(root, f"folder {name}/*.csv") == [f"folder {name}/part.csv"]
    assert found(root, f"folder {name}") == [f"folder {name}/part.csv"]


def test_a_pattern_of_brackets_applies_when_no_such_name_exists(root: Path) -> None:
    put(root, "claims1.csv", "claims2.csv")
    assert found(root, "claims[12].csv") == ["claims1.csv", "claims2.csv"]


@pytest.mark.parametrize("path", ["in", "in/*/*.csv", "in/**/*.csv", "in/period=*", "in/period=2025Q1%2FA/x.csv"])
def test_partition_folders_are_known_however_the_path_is_written(root: Path, path: str) -> None:
    put(root, "in/period=2025Q1%2FA/x.csv")
    files = files_at(LocalStorage(), str(root), path)
    assert [dict(partition_values(file)) for file in files] == [{"period": "2025Q1/A"}]


def test_a_list_of_paths_reads_each_file_once(root: Path) -> None:
    put(root, "a.csv", "b.csv", "more/c.csv")
    assert files_of(root, ["a.csv", "*.csv", "more"]) == ["a.csv", "b.csv", "more/c.csv"]


def test_notes_of_the_sender_in_a_folder_are_not_read(root: Path) -> None:
    put(root, "in/1.csv", "in/2.txt", "in/README.txt", "in/Read me.csv", "in/layout.pdf", "in/1.csv.md5")
    assert files_of(root, "in", format="csv") == ["in/1.csv", "in/2.txt"]


@pytest.mark.parametrize(
    ("names", "options", "expected"),
    [
        (["in/1.csv", "in/2.CSV.GZ"], {}, "csv"),
        (["in/1.jsonl", "in/2.json"], {}, "json"),
        (["in/000000_0"], {}, "parquet"),
        (["in/1.txt"], {"sep": "|"}, "csv"),
    ],
)
def test_the_format_of_a_folder_is_that_of_its_files(
    root: Path, names: list[str], options: dict[str, str], expected: str
) -> None:
    put(root, *names)
    locations, problems = located(root, {"invoices": {"path": "in", "options": options}})
    assert not problems
    assert locations[0].format == expected


def test_what_matches_nothing_is_one_clear_problem(root: Path) -> None:
    put(root, "cld/a.parquet")
    told = problem_of(root, "cld/*.csv")
    assert "no file matches the path of table invoices" in told
    assert "a.parquet" in told
    put(root, "invoices_2025.CSV")
    assert "did you mean invoices_2025.CSV?" in problem_of(root, "invoices_2025.csv")
    assert "input.tables.invoices.format" in problem_of(root, ["cld/a.parquet", "invoices_2025.CSV"])


@pytest.mark.parametrize(
    "name", ["REBATE_CLAIMS.CSV", "Rebate_Claims.csv.GZ", "rebate_claims.Parquet", "Rebate_Claims/part.csv"]
)
def test_tables_are_found_by_name_in_any_case(root: Path, name: str) -> None:
    put(root, name)
    locations, problems = located(root)
    assert not problems
    assert [location.table.name for location in locations] == ["rebate_claims"]
    assert locations[0].format == ("parquet" if name.endswith("Parquet") else "csv")
    assert [name_of(file.uri) for file in locations[0].files] == [name_of(name)]


def test_two_files_that_differ_in_case_are_one_problem(root: Path) -> None:
    put(root, "rebate_claims.csv", "REBATE_CLAIMS.CSV")
    _, problems = located(root)
    assert len(problems) == 1
    assert "REBATE_CLAIMS.CSV, rebate_claims.csv" in problems[0].found


def test_files_that_no_table_reads_are_listed(root: Path) -> None:
    put(
        root,
        *FILES,
        "invoices.csv",
        "pharmacy_claim.csv",
        "Entity Claims.txt",
        "truth/x.parquet",
        "notes.txt",
        ".hidden",
    )
    locations, problems = located(root, {"rebate_claims": {"path": "cld/*.parquet"}})
    assert not problems
    unread = {file.name: file.likely_table for file in unread_files(LocalStorage(), str(root), locations)}
    assert unread == {
        "Entity Claims.txt": "entity_claims",
        "cld/README.txt": None,
        "cld/old/": None,
        "notes.txt": None,
        "pharmacy_claim.csv": "pharmacy_claims",
        "truth/": None,
    }


def test_without_a_feed_the_message_names_what_is_close(root: Path) -> None:
    put(root, "rebate_claim.csv", "x.csv")
    _, problems = located(root)
    assert "did you mean rebate_claims by rebate_claim.csv?" in str(problems[0])


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("spelling", ["{}s.csv", "{}.txt", "{}_2025Q3.csv", "ACME {}.xlsx"])
def test_near_misses_of_every_table(table: str, spelling: str) -> None:
    assert likely_table(spelling.format(table.replace("_", " "))) == table


@pytest.mark.parametrize(
    "name", ["truth", "anomalies", "watch", "link_truth", "notes.txt", "output", "config.yaml", "archive"]
)
def test_other_names_are_no_tables(name: str) -> None:
    assert likely_table(name) is None


def test_columns_are_mapped_by_any_spelling_of_the_contracts_name(root: Path) -> None:
    put(root, "x.csv")
    locations, problems = located(root, {"invoices": {"path": "x.csv", "columns": {"Product Name": "DRUG"}}})
    assert not problems
    assert locations[0].columns == {"product_name": "DRUG"}


@pytest.mark.parametrize(
    "location",
    [
        {"header": False, "names": ["a", "b"]},
        {"options": {"header": "false", "names": "a, b"}},
        {"header": False, "options": {"names": ["a", "b"]}},
    ],
)
def test_options_may_be_under_the_table_or_in_options(root: Path, location: dict[str, Any]) -> None:
    put(root, "x.csv")
    locations, _ = located(root, {"invoices": {"path": "x.csv", **location}})
    assert set(locations[0].options) == {"header", "names"}


def test_an_option_in_both_places_is_refused() -> None:
    with pytest.raises(ValueError, match="header is set twice"):
        Settings.model_validate(
            {"input": {"tables": {"invoices": {"path": "x", "header": False, "options": {"header": 1}}}}}
        )
