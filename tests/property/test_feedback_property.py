"""Workbooks edited in every way that people edit them say the same; handing in is idempotent and loses nothing."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from engine.feedback import FindingFacts, accepted, entries_of, merged

HEADINGS = ["Evidence", "Decision", "Reason", "Units decided", "Comment", "Decided by", "Decided on", "Finding id"]
KNOWN = {f"{number:032x}": FindingFacts(Decimal(100)) for number in range(60)}
TODAY = date(2026, 12, 31)
COMMENTS = [None, "+1 (502) 555", "@all", "tab\there", "x" * 30_000, "𝒳 😀", "-3", "'quoted"]


def _random_rows(draw: random.Random) -> list[dict[str, object]]:
    rows = []
    for finding in draw.sample(sorted(KNOWN), 40):
        row: dict[str, object] = {"Evidence": "STRONG", "Finding id": finding}
        if draw.random() < 0.7:
            row |= {
                "Decision": draw.choice(["DISPUTE", "DISMISS", "WATCH", "PAY"]),
                "Reason": draw.choice([None, "unit_ok", "other"]),
                "Units decided": draw.choice([None, 0, 5, 99.5]),
                "Comment": draw.choice(COMMENTS),
                "Decided by": draw.choice(["Ann", "Bob"]),
                "Decided on": date(2026, 1, 1) + timedelta(days=draw.randrange(300)),
            }
        rows.append(row)
    return rows


def _saved(path: Path, rows: list[dict[str, Any]], headings: list[str], draw: random.Random) -> Path:
    """On one to three sheets, with a filter set, as a spreadsheet program leaves them."""
    book = openpyxl.Workbook()
    parts = draw.choice([1, 2, 3])
    for part in range(parts):
        sheet = book.active if part == 0 else book.create_sheet()
        sheet.append(headings)
        for row in rows[part::parts]:
            sheet.append([row.get(heading) for heading in headings])
            for cell in sheet[sheet.max_row]:
                if isinstance(cell.value, str):
                    cell.data_type = "s"  # as people type text: no program takes it for a formula
        sheet.auto_filter.ref = sheet.dimensions
        sheet.row_dimensions[min(3, sheet.max_row)].hidden = True
    book.save(path)
    return path


def _units(cell: float | int) -> Decimal:
    return Decimal(str(cell)).quantize(Decimal("0.001"))


def _decisions(path: Path) -> list[dict[str, Any]]:
    entries, _ = entries_of(path)
    result = accepted(entries, KNOWN, TODAY)
    assert result.problems == []
    return result.decisions


def _plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(({name: value for name, value in row.items() if name != "where"} for row in rows), key=repr)


@pytest.mark.parametrize("seed", range(8))
def test_edits_change_nothing_and_a_second_time_adds_nothing(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    rows = _random_rows(draw)
    expected = sorted(
        (
            {
                "finding_id": row["Finding id"],
                "decided_at": datetime.combine(row["Decided on"], datetime.min.time(), UTC),
                "decided_by": row["Decided by"],
                "decision": row["Decision"],
                "reason": row["Reason"],
                "units": None if row["Units decided"] is None else _units(row["Units decided"]),
                "comment": row["Comment"],
                "selection": None,
            }
            for row in rows
            if "Decision" in row
        ),
        key=repr,
    )
    shuffled, moved = draw.sample(rows, len(rows)), draw.sample(HEADINGS, len(HEADINGS))
    decisions = _decisions(_saved(tmp_path / "edited.xlsx", shuffled, moved, draw))
    assert _plain(decisions) == expected
    kept = merged(decisions, [], [], []).decisions
    assert _plain(kept) == expected
    assert merged(decisions, [], kept, []).decisions == []


@pytest.mark.parametrize("seed", range(8))
def test_history_grows_and_the_last_handed_in_of_the_last_day_holds(tmp_path: Path, seed: int) -> None:
    draw = random.Random(100 + seed)
    kept: list[dict[str, Any]] = []
    handed_in: list[dict[str, Any]] = []
    for number in range(4):
        decisions = _decisions(_saved(tmp_path / f"{number}.xlsx", _random_rows(draw), HEADINGS, draw))
        added = merged(decisions, [], kept, [])
        assert added.problems == []
        assert len(added.decisions) + added.known_already == len(decisions)
        before = list(kept)
        kept += added.decisions
        assert kept[: len(before)] == before
        handed_in += decisions
    assert len({(row["finding_id"], row["decided_at"]) for row in kept}) == len(kept), "the table's key"
    for finding in {row["finding_id"] for row in handed_in}:
        own = [row for row in handed_in if row["finding_id"] == finding]
        last_day = max(row["decided_at"].date() for row in own)
        # of equal ones the first counts: it was there already when it came again
        distinct = []
        for row in own:
            content = {name: value for name, value in row.items() if name != "where"}
            if row["decided_at"].date() == last_day and content not in distinct:
                distinct.append(content)
        holds = max((row for row in kept if row["finding_id"] == finding), key=lambda row: row["decided_at"])
        assert holds["decision"] == distinct[-1]["decision"]
