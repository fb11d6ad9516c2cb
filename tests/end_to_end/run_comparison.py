"""Compares two published runs on the same input: `python -m tests.end_to_end.run_comparison ONE OTHER`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

MOST_SHOWN = 5
_WIDEST = 300
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
    found = []
    tables = sorted({*_tables(one), *_tables(other)})
    for name in tables:
        left, right = (_tables(folder).get(name) for folder in (one, other))
        if left is None or right is None:
            found.append(f"{name}: only in {one if right is None else other}")
        else:
            found += _of_tables(name, _rows(left), _rows(right))
    for name in _COMPARED_JSON:
        found += _of_values(name, *(json.loads((folder / name).read_text()) for folder in (one, other)))
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in (one, other)]
    for name in _COMPARED_SUMMARY:
        found += _of_values(f"summary.json {name}", *(summary.get(name) for summary in summaries))
    return found


def rows_of(folder: Path, table: str) -> int:
    return len(_rows(_tables(folder)[table]))


def _tables(folder: Path) -> dict[str, Path]:
    """Every table of a run by name: folders of Parquet files, and CSV files."""
    parquet = {str(file.parent.relative_to(folder)): file.parent for file in folder.rglob("*.parquet")}
    return parquet | {str(file.relative_to(folder)): file for file in folder.rglob("*.csv")}


def _rows(place: Path) -> list[dict[str, Any]]:
    if place.is_dir():
        return [row for file in sorted(place.glob("*.parquet")) for row in pq.ParquetFile(file).read().to_pylist()]
    return pd.read_csv(place, dtype=str, keep_default_na=False).to_dict("records")


def _of_tables(name: str, left: list[dict[str, Any]], right: list[dict[str, Any]]) -> list[str]:
    columns = [list(rows[0]) if rows else [] for rows in (left, right)]
    if left and right and columns[0] != columns[1]:
        return [f"{name}: columns {columns[0]} and {columns[1]}"]
    keys = _KEYS.get(name)
    if keys is None:
        counted = [Counter(repr(list(row.items())) for row in rows) for rows in (left, right)]
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
            texts = [[f"{key} {value!r}" for key, value in side] for side in _sides(unequal)]
            found.append(f"{name}.{column}: {len(unequal)} of {len(pairs)} rows{_shown(*texts)}")
    return found


def _sides(unequal: list[tuple[Any, Any, Any]]) -> list[list[tuple[Any, Any]]]:
    return [[(key, pair[place]) for key, *pair in unequal] for place in (0, 1)]


def _of_values(name: str, left: Any, right: Any, path: str = "") -> list[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        keys = sorted({*left, *right})
        return [text for key in keys for text in _of_values(name, left.get(key), right.get(key), f"{path}/{key}")]
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
    different = differences(*map(Path, sys.argv[1:3]))
    sys.stdout.write("\n".join(different) + "\n" if different else "equal\n")
    sys.exit(bool(different))
