"""Edited files read back: what people leave in cells, what is wrong with it, and what is kept."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from engine.errors import InputError
from engine.feedback import FindingFacts, KeptFeedback, accepted, entries_of, merged
from engine.feedback.validation import Accepted
from engine.runtime.storage import Storage
from engine.settings import Settings

TODAY = date(2026, 6, 30)
DAY = datetime(2026, 6, 1, tzinfo=UTC)
KNOWN = {f"f{number}": FindingFacts(Decimal(30)) for number in range(1, 10)}
HEADINGS = ("Priority ($)", "Decision", "Reason", "Units decided", "Comment", "Decided by", "Decided on", "Finding id")


def workbook(path: Path, *sheets: list[dict[str, object]], headings: tuple[str, ...] = HEADINGS) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    book.create_sheet("Summary").append(["Findings", 3])
    for number, rows in enumerate(sheets, start=1):
        sheet = book.create_sheet(f"Findings {number}")
        sheet.append(list(headings))
        for row in rows:
            sheet.append([row.get(heading) for heading in headings])
    book.save(path)
    return path


def text_file(path: Path, rows: list[dict[str, object]], delimiter: str = ",", encoding: str = "utf-8-sig") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def decided(number: int = 1, **cells: object) -> dict[str, object]:
    return {
        "Finding id": f"f{number}",
        "Decision": "DISPUTE",
        "Decided by": "Ann",
        "Decided on": date(2026, 6, 1),
        **cells,
    }


def read(path: Path, **defaults: Any) -> tuple[Accepted, int]:
    entries, undecided = entries_of(path)
    return accepted(entries, KNOWN, TODAY, **defaults), undecided


def test_a_partly_filled_workbook(tmp_path: Path) -> None:
    rows = [
        decided(1, Reason="see mail", Comment=" naïve 😀\n2nd line ", **{"Units decided": 12.5}),
        {"Finding id": "f2"},
        {"Finding id": "f3", "Comment": "to look at"},
        decided(4, Decision=" dismiss ", Reason="UNIT_OK"),
    ]
    result, undecided = read(workbook(tmp_path / "a.xlsx", rows, [decided(5, Decision="watch")]))
    assert result.problems == []
    assert undecided == 1
    assert [(row["finding_id"], row["decision"], row["reason"]) for row in result.decisions] == [
        ("f1", "DISPUTE", "see mail"),
        ("f4", "DISMISS", "unit_ok"),
        ("f5", "WATCH", None),
    ]
    first = result.decisions[0]
    assert (first["units"], first["comment"]) == (Decimal("12.500"), "naïve 😀\n2nd line")
    assert (first["decided_at"], first["decided_by"], first["selection"]) == (DAY, "Ann", None)


def test_columns_may_stand_anywhere_and_others_may_be_missing(tmp_path: Path) -> None:
    moved = ("Finding id", "Mine", "DECIDED ON", "decided by", "Decision")
    row = {"Finding id": "f1", "Mine": "x", "DECIDED ON": "2026-06-01", "decided by": "Ann", "Decision": "PAY"}
    result, _ = read(workbook(tmp_path / "a.xlsx", [row], headings=moved))
    assert [(one["decision"], one["decided_at"], one["units"]) for one in result.decisions] == [("PAY", DAY, None)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_file_as_spreadsheets_of_other_countries_write_it(tmp_path: Path, delimiter: str) -> None:
    row = {key: str(value) for key, value in decided(1, Comment="a, b; c\nd").items()}
    result, _ = read(text_file(tmp_path / "a.csv", [row], delimiter))
    assert [(one["comment"], one["decided_at"]) for one in result.decisions] == [("a, b; c\nd", DAY)]


def test_decisions_and_outcomes_with_the_contracts_own_column_names(tmp_path: Path) -> None:
    decision = {
        "finding_id": "f1",
        "decided_at": "2026-06-01T10:30:00-04:00",
        "decided_by": "Ann",
        "decision": "DISPUTE",
        "selection": "random",
    }
    result, _ = read(text_file(tmp_path / "d.csv", [decision]))
    (row,) = result.decisions
    assert (row["decided_at"], row["selection"]) == (datetime(2026, 6, 1, 14, 30, tzinfo=UTC), "RANDOM")
    outcome = {"case_id": "c1", "answered_on": "2026-06-02", "answer": "No answer", "units_credited": "", "x": "y"}
    result, _ = read(text_file(tmp_path / "o.csv", [outcome]))
    (row,) = result.outcomes
    assert (row["case_id"], row["answered_on"], row["answer"]) == ("c1", date(2026, 6, 2), "NO_ANSWER")
    assert row["units_credited"] is None


def test_a_row_with_a_decision_and_an_answer_is_both(tmp_path: Path) -> None:
    both = decided(1) | {"Answered on": date(2026, 6, 20), "Answer": "ACCEPTED", "Units credited": 3}
    answered = {"Finding id": "f2", "Answered on": date(2026, 6, 21), "Answer": "REJECTED"}
    result, undecided = read(workbook(tmp_path / "a.xlsx", [both, answered, decided(3)], headings=tuple(both)))
    assert (result.problems, undecided) == ([], 0)
    assert [row["finding_id"] for row in result.decisions] == ["f1", "f3"]
    assert [(row["finding_id"], row["answer"], row["units_credited"]) for row in result.outcomes] == [
        ("f1", "ACCEPTED", Decimal(3)),
        ("f2", "REJECTED", None),
    ]


def test_an_answer_without_a_column_for_its_day_is_said(tmp_path: Path) -> None:
    result, _ = read(text_file(tmp_path / "a.csv", [{**decided(1), "Decided on": "2026-06-01", "Answer": "ACCEPTED"}]))
    assert len(result.decisions) == 1
    assert [problem.what for problem in result.problems] == ["no day of the answer"]


@pytest.mark.parametrize(
    ("cells", "what", "found"),
    [
        ({"Decision": "DISMIS"}, "not a value of decision", "DISMIS"),
        ({"Finding id": "1.2E+10"}, "no published run has this finding", "1.2E+10"),
        ({"Finding id": None}, "a row without a finding id", ""),
        ({"Decided on": "6/1/2026"}, "Decided on is no date", "6/1/2026"),
        ({"Decided on": date(2026, 7, 1)}, "Decided on is in the future", "2026-07-01"),
        ({"Decided on": None}, "no day of the decision", ""),
        ({"Decided by": " "}, "nobody is named who decided", ""),
        ({"Units decided": 30.5}, "more units than the row asks for", "30.500"),
        ({"Units decided": -1}, "units cannot be read", "-1"),
        ({"Units decided": "12 tablets"}, "units cannot be read", "12 tablets"),
        ({"Units decided": 1.2345}, "units cannot be read", "1.2345"),
        ({"Comment": "=1+1"}, "comment holds an error, or a formula without its value", ""),
    ],
)
def test_what_is_wrong_is_said_with_its_row(tmp_path: Path, cells: dict[str, Any], what: str, found: str) -> None:
    result, _ = read(workbook(tmp_path / "a.xlsx", [decided(1), decided(2, **cells)]))
    assert len(result.decisions) == 1
    (problem,) = result.problems
    assert (problem.what, problem.found) == (what, found)
    assert problem.where == "a.xlsx, sheet Findings 1, row 3"


def test_who_and_when_can_be_given_for_all_rows(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [decided(1, **{"Decided by": None, "Decided on": None}), decided(2)])
    result, _ = read(path, decided_by="Bob", decided_on=date(2026, 6, 3))
    assert [(row["decided_by"], row["decided_at"].day) for row in result.decisions] == [("Bob", 3), ("Ann", 1)]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.xlsx", b"no workbook", "the workbook is not a workbook"),
        ("a.csv", "Größe\n".encode("cp1252"), "the file is not UTF-8 text"),
        ("a.csv", b"a,b\n1,2\n", "no decisions and no outcomes were found in the file"),
        ("a.csv", b"", "no decisions and no outcomes were found in the file"),
        ("missing.csv", None, "the file cannot be opened"),
        ("missing.xlsx", None, "the file cannot be opened"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, content: bytes | None, what: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as refused:
        entries_of(tmp_path / name)
    assert refused.value.problems[0].what == what


def row(decision: str, by: str = "Ann", at: datetime = DAY, finding: str = "f1", **more: object) -> dict[str, object]:
    values = {"reason": None, "units": None, "comment": None, "selection": None, **more}
    where = f"row of {by}"
    return {"finding_id": finding, "decided_at": at, "decided_by": by, "decision": decision, "where": where, **values}


def test_what_is_there_already_is_not_added_again_and_a_changed_mind_is() -> None:
    first = merged([row("WATCH"), row("WATCH")], [], [], [])
    assert (len(first.decisions), first.known_already) == (1, 1)
    again = merged([row("WATCH")], [], first.decisions, [])
    assert (again.decisions, again.known_already) == ([], 1)
    changed = merged([row("DISPUTE")], [], first.decisions, [])
    (added,) = changed.decisions
    assert added["decided_at"] > first.decisions[0]["decided_at"], "the one handed in later holds"
    assert added["decided_at"].date() == DAY.date()
    assert changed.conflicts == [], "of one person"


def test_people_who_disagree_are_named_with_the_decision_that_holds() -> None:
    later = datetime(2026, 6, 5, tzinfo=UTC)
    kept = merged([row("DISPUTE", "Ann", later)], [], [], []).decisions
    result = merged([row("DISMISS", "Bob")], [], kept, [])
    assert len(result.decisions) == 1, "history keeps both"
    assert result.conflicts == ["finding f1: DISPUTE by Ann on 2026-06-05, DISMISS by Bob on 2026-06-01; DISPUTE holds"]


def test_two_decisions_of_one_day_in_the_same_files_are_refused() -> None:
    result = merged([row("DISMISS", "Ann"), row("DISPUTE", "Bob")], [], [], [])
    (problem,) = result.problems
    assert problem.what == "two decisions of one day on one finding"
    assert (problem.where, problem.found) == ("row of Ann and row of Bob", "DISMISS by Ann, DISPUTE by Bob")


def test_outcomes_are_kept_once_and_two_answers_of_one_day_are_refused() -> None:
    answer = {
        "finding_id": "f1",
        "case_id": None,
        "answered_on": date(2026, 6, 2),
        "answer": "ACCEPTED",
        "counterparty_reason": None,
        "units_credited": Decimal("30.000"),
        "amount_credited": None,
        "where": "row 2",
    }
    first = merged([], [answer], [], [])
    assert len(first.outcomes) == 1
    assert merged([], [answer], [], first.outcomes).known_already == 1
    other = merged([], [answer | {"answer": "REJECTED"}], [], first.outcomes)
    assert [problem.what for problem in other.problems] == ["two answers of one day to one finding or case"]


def test_rows_are_kept_in_a_folder_and_come_back_as_they_were(tmp_path: Path) -> None:
    kept = KeptFeedback(Storage(), Settings.model_validate({"output": {"root": str(tmp_path)}}))
    assert kept.rows("decisions") == []
    one, two = (
        {name: value for name, value in row("DISMISS", finding=name, comment="=1+1 😀").items() if name != "where"}
        for name in ("f1", "f2")
    )
    kept.add({"decisions": [one], "outcomes": []})
    kept.add({"decisions": [two], "outcomes": []})
    assert kept.rows("decisions") == [one, two]
    assert kept.where == f"{tmp_path}/feedback"
