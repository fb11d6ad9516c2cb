"""Compares two published runs on the same input: `python -m tests.end_to_end.run_comparison ONE OTHER`.

With `--tables` before them: two folders of tables, such as generated claims.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow.parquet as pq

MOST_SHOWN = 5
_MOST_VALUES = 20
_WIDEST = 300
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ELEMENT = re.compile(r"list<\w+: ")
# Where a row of a table is named; other tables are compared as sets of whole rows.
_KEYS = {"findings": ["finding_id"]}
_COMPARED_JSON = ("ledger.json", "linking.json")
# Of the summary: what a run found. The rest names the run, its time and its engine.
_COMPARED_SUMMARY = (
    *("counts", "features_off", "guards_off", "rules_off", "match_rates", "queue_order"),
    *("input_not_read", "rule_versions", "thresholds"),
)


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two published folders, one text per table and column, with the first rows side by side."""
    found = differences_of_results(one, other)
    workbooks = sorted({str(file.relative_to(folder)) for folder in (one, other) for file in folder.rglob("*.xlsx")})
    for name in workbooks:
        found += _of_values(name, *(_sheets(folder / name) for folder in (one, other)))
    for name in _COMPARED_JSON:
        found += _of_values(name, *(_json(folder / name) for folder in (one, other)))
    summaries = [_json(folder / "summary.json") for folder in (one, other)]
    for name in _COMPARED_SUMMARY:
        found += _of_values(f"summary.json {name}", *(summary.get(name) for summary in summaries))
    return found


def differences_of_results(one: Path, other: Path) -> list[str]:
    """What differs between the tables of two published folders: Parquet and CSV files."""
    found = []
    tables = sorted({*_tables(one), *_tables(other)})
    for name in tables:
        left, right = (_tables(folder).get(name) for folder in (one, other))
        if left is None or right is None:
            found.append(f"{name}: only in {one if right is None else other}")
        else:
            found += _of_tables(name, left, right)
    return found


def _json(file: Path) -> Any:
    """None for a file that a run does not write, as linking.json where nothing is linked."""
    return json.loads(file.read_text()) if file.exists() else None


def _sheets(file: Path) -> dict[str, Any]:
    """The cells of a workbook, by sheet and row, without the version of the code and the digests of input files."""
    if not file.exists():
        return {}
    book = openpyxl.load_workbook(file, read_only=True)
    return {
        name: {
            f"row {number}": row
            for number, row in enumerate(book[name].iter_rows(values_only=True), 1)
            if row[:1] != ("Code",) and not any(_DIGEST.fullmatch(str(cell)) for cell in row)
        }
        for name in book.sheetnames
    }


def differences_of_tables(one: Path, other: Path) -> list[str]:
    """What differs between two folders of tables, each a Parquet file or a folder of them."""
    names = sorted({entry.name for folder in (one, other) for entry in folder.iterdir()})
    found = []
    for name in names:
        if missing := [folder for folder in (one, other) if not (folder / name).exists()]:
            found.append(f"{name}: not in {missing[0]}")
        else:
            found += _of_tables(name, one / name, other / name)
    return found


def rows_of(folder: Path, table: str) -> int:
    return len(_rows(_tables(folder)[table]))


def _tables(folder: Path) -> dict[str, Path]:
    """Every table of a run by name: folders of Parquet files, and CSV files.

    Intermediate results, which a run keeps for the job explain, are no outputs: they number rows.
    """
    parquet = {str(file.parent.relative_to(folder)): file.parent for file in folder.rglob("*.parquet")}
    parquet = {name: place for name, place in parquet.items() if not name.startswith("kept/")}
    return parquet | {str(file.relative_to(folder)): file for file in folder.rglob("*.csv")}


def _rows(place: Path) -> list[dict[str, Any]]:
    if place.suffix == ".csv":
        rows: Any = pd.read_csv(place, dtype=str, keep_default_na=False).to_dict("records")
        return list(rows)
    return [row for file in _files(place) for row in pq.ParquetFile(file).read().to_pylist()]


def _files(place: Path) -> list[Path]:
    return sorted(place.glob("*.parquet")) if place.is_dir() else [place]


def _types(place: Path) -> set[tuple[str, str]]:
    """Columns with their types; Parquet tells lists apart by the name of their elements, which says nothing."""
    if place.suffix == ".csv":
        return set()
    schemas = [pq.read_schema(file) for file in _files(place)]
    return {(field.name, _ELEMENT.sub("list<", str(field.type))) for schema in schemas for field in schema}


def _of_tables(name: str, one: Path, other: Path) -> list[str]:
    types = [_types(place) for place in (one, other)]
    if types[0] != types[1]:
        alone = [sorted(map(str, own - others)) for own, others in (types, types[::-1])]
        return [f"{name}: other types{_shown(*alone)}"]
    left, right = _rows(one), _rows(other)
    columns = [list(rows[0]) if rows else [] for rows in (left, right)]
    if left and right and columns[0] != columns[1]:
        return [f"{name}: columns {columns[0]} and {columns[1]}"]
    if one.suffix == ".csv" and left != right and _counted(left) == _counted(right):
        place = next(n for n, (a, b) in enumerate(zip(left, right, strict=True)) if a != b)
        first = [[repr(row) for row in rows[place:]] for rows in (left, right)]
        return [f"{name}: rows in another order from row {place + 1:,} on{_shown(*first)}"]
    keys = _KEYS.get(name)
    if keys is None:
        counted = [_counted(rows) for rows in (left, right)]
        alone = [sorted((one - other).elements()) for one, other in (counted, counted[::-1])]
        return [] if not any(alone) else [f"{name}: {len(alone[0])} and {len(alone[1])} rows alone{_shown(*alone)}"]
    by_key = [{tuple(row[key] for key in keys): row for row in rows} for rows in (left, right)]
    found = []
    for side, (own, others) in (("first", by_key), ("second", by_key[::-1])):
        if missing := [row for key, row in own.items() if key not in others]:
            texts = [repr(row) for row in missing]
            found.append(f"{name}: {len(missing)} rows only in the {side} run{_shown(texts, [])}")
    for column in columns[0]:
        pairs = [(key, row[column], by_key[1][key][column]) for key, row in by_key[0].items() if key in by_key[1]]
        unequal = [(key, one, other) for key, one, other in pairs if repr(one) != repr(other)]
        if unequal:
            sides = [[f"{key} {value!r}" for key, value in side] for side in _sides(unequal)]
            found.append(f"{name}.{column}: {len(unequal)} of {len(pairs)} rows{_shown(*sides)}")
    return found


def _counted(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(repr(list(row.items())) for row in rows)


def _sides(unequal: list[tuple[Any, Any, Any]]) -> list[list[tuple[Any, Any]]]:
    return [[(key, pair[place]) for key, *pair in unequal] for place in (0, 1)]


def _of_values(name: str, left: Any, right: Any, path: str = "") -> list[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        keys = sorted({*left, *right})
        found = [text for key in keys for text in _of_values(name, left.get(key), right.get(key), f"{path}/{key}")]
        more = len(found) - _MOST_VALUES
        return found if more <= 0 else [*found[:_MOST_VALUES], f"{name}{path}: {more:,} more differ"]
    return [] if left == right else [f"{name}{path}{_shown([repr(left)], [repr(right)])}"]


def _shown(left: list[str], right: list[str]) -> str:
    """The first of both sides, one below the other, from shortly before they part."""
    lines = []
    for number in range(min(MOST_SHOWN, max(len(left), len(right)))):
        pair = [side[number] if number < len(side) else "" for side in (left, right)]
        equal = next((n for n, (a, b) in enumerate(zip(*pair, strict=False)) if a != b), 0)
        start = max(0, equal - _WIDEST // 3)
        lines += [
            f"\n  {mark} {text[:60]} ... {text[start : start + _WIDEST]}" for mark, text in zip("<>", pair, strict=True)
        ]
    return "".join(lines)


if __name__ == "__main__":
    *options, first, second = sys.argv[1:]
    compare = differences_of_tables if "--tables" in options else differences
    different = compare(Path(first), Path(second))
    sys.stdout.write("\n".join(different) + "\n" if different else "equal\n")
    sys.exit(bool(different))
