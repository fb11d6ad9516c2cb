"""Convert entries to decisions and outcomes of the contract, and report problems of the others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from engine.contracts.tables import TABLES
from engine.contracts.words import DISMISS_REASONS
from engine.errors import Problem, did_you_mean
from engine.feedback.sheets import DECISIONS, Entry

_TO_THREE_PLACES, _TO_CENTS = Decimal("0.001"), Decimal("0.01")
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class FindingFacts:
    """Facts on a finding from published runs: NDC units billed on its row, NULL if unknown."""

    units_billed: Decimal | None


@dataclass(frozen=True)
class Accepted:
    """Rows of the tables `decisions` and `outcomes`, in the order of the files, each with its location as `where`."""

    decisions: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    problems: list[Problem]


def accepted(
    entries: Sequence[Entry],
    known: Mapping[str, FindingFacts],
    today: date,
    decided_by: str | None = None,
    decided_on: date | None = None,
) -> Accepted:
    """Convert every entry to a row, or to a problem that names its file, sheet and row.

    `known`: findings of published runs by id. `decided_by`, `decided_on`: defaults for rows without them; if None,
    every row needs its own.
    """
    result = Accepted([], [], [])
    for entry in entries:
        read = _Reader(entry, result.problems)
        for column in entry.unreadable:
            read.fail(
                f"{column} holds an error, or a formula without its value",
                "",
                "text, a number or a date",
                "type the value itself; text that begins with = needs an apostrophe before it",
                column,
            )
        if entry.table == DECISIONS:
            row = _decision(read, known, today, decided_by, decided_on)
            rows = result.decisions
        else:
            row = _outcome(read, known, today)
            rows = result.outcomes
        if not read.failed:
            rows.append({**row, "where": entry.where})
    return result


def _decision(
    read: _Reader, known: Mapping[str, FindingFacts], today: date, decided_by: str | None, decided_on: date | None
) -> dict[str, Any]:
    default_day = None if decided_on is None else datetime.combine(decided_on, time(), UTC)
    row: dict[str, Any] = {
        "finding_id": read.finding(known, required=True),
        "decided_at": read.moment("decided_at", today, "Decided on", "--decided-on") or default_day,
        "decided_by": read.text("decided_by") or decided_by,
        "decision": read.choice("decision", _codes(DECISIONS, "decision")),
        "reason": read.text("reason"),
        "units": read.number("units", _TO_THREE_PLACES),
        "comment": read.text("comment"),
        "selection": read.choice("selection", _codes(DECISIONS, "selection")),
    }
    if row["decided_at"] is None and not read.failed_at("decided_at"):
        read.fail("no day of the decision", "", "a date in Decided on", "fill it in, or give --decided-on")
    if row["decided_by"] is None:
        read.fail("nobody is named who decided", "", "a name in Decided by", "fill it in, or give --decided-by")
    if row["decision"] == "DISMISS" and row["reason"] is not None:
        same = [reason for reason in DISMISS_REASONS if reason.lower() == row["reason"].lower()]
        row["reason"] = same[0] if same else row["reason"]
    facts = known.get(str(row["finding_id"]))
    most = None if facts is None else facts.units_billed
    if row["units"] is not None and most is not None and row["units"] > most:
        read.fail("more units than the row asks for", f"{row['units']}", f"at most {most}", "correct Units decided")
    return row


def _outcome(read: _Reader, known: Mapping[str, FindingFacts], today: date) -> dict[str, Any]:
    row = {
        "finding_id": read.finding(known, required=False),
        "case_id": read.text("case_id"),
        "answered_on": read.day("answered_on", today, "Answered on"),
        "answer": read.choice("answer", _codes("outcomes", "answer")),
        "counterparty_reason": read.text("counterparty_reason"),
        "units_credited": read.number("units_credited", _TO_THREE_PLACES),
        "amount_credited": read.number("amount_credited", _TO_CENTS),
    }
    if row["finding_id"] is None and row["case_id"] is None and not read.failed_at("finding_id"):
        read.fail("neither a finding nor a case is named", "", "a Finding id or a Case id", "fill one in")
    if row["answered_on"] is None and not read.failed_at("answered_on"):
        read.fail("no day of the answer", "", "a date in Answered on", "fill it in")
    return row


def _codes(table: str, column: str) -> tuple[str, ...]:
    return next(field.codes or () for field in TABLES[table].columns if field.name == column)


class _Reader:
    """Reads the cells of one entry with their expected types; unexpected values become problems of the entry."""

    def __init__(self, entry: Entry, problems: list[Problem]):
        self._cells, self._where, self._problems = entry.cells, entry.where, problems
        self._failed: set[str] = set()

    @property
    def failed(self) -> bool:
        return bool(self._failed)

    def failed_at(self, column: str) -> bool:
        return column in self._failed

    def fail(self, what: str, received: str, expected: str, to_do: str, column: str = "") -> None:
        self._failed.add(column)
        self._problems.append(Problem(what, self._where, received, expected, to_do))

    def text(self, column: str) -> str | None:
        """The cell as text; digits that a spreadsheet stored as a number become digits again."""
        cell = self._cells[column]
        if cell is None:
            return None
        return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)

    def finding(self, known: Mapping[str, FindingFacts], required: bool) -> str | None:
        name = self.text("finding_id")
        if name is None:
            if required:
                expected = "the id that the run gave the finding"
                self.fail("a row without a finding id", "", expected, "restore the cell", "finding_id")
            return None
        if name not in known:
            self.fail(
                "no published run has this finding",
                name,
                "an id of a finding below the output folder",
                "restore the cell as the run wrote it, or give the --output of its run",
                "finding_id",
            )
            return None
        return name

    def choice(self, column: str, codes: Sequence[str]) -> str | None:
        text = self.text(column)
        if text is None:
            return None
        code = re.sub(r"\W+", "_", text.upper()).strip("_")
        if code in codes:
            return code
        to_do = did_you_mean(code, codes, "pick one from the list")
        self.fail(f"not a value of {column}", text, f"one of {', '.join(codes)}", to_do, column)
        return None

    def number(self, column: str, step: Decimal) -> Decimal | None:
        """A number of at least 0 with at most the table's decimals; a number stored as text is accepted."""
        cell = self.text(column)
        if cell is None:
            return None
        try:
            number = Decimal(cell).quantize(step)
            if not number.is_finite() or number < 0 or number != Decimal(cell):
                raise InvalidOperation
        except InvalidOperation:
            expected = f"a number from 0 on with at most {-int(step.as_tuple().exponent)} decimals"
            self.fail(f"{column} cannot be read", cell, expected, "correct the cell", column)
            return None
        return number

    def day(self, column: str, today: date, heading: str) -> date | None:
        moment = self.moment(column, today, heading, "")
        return None if moment is None else moment.date()

    def moment(self, column: str, today: date, heading: str, option: str) -> datetime | None:
        """A day, or a time in its own zone, UTC by default; never after the end of today."""
        cell = self._cells[column]
        if cell is None:
            return None
        try:
            moment = _moment(cell)
        except ValueError:
            to_do = "type the date as 2026-03-31" + (f", or clear the cell and give {option}" if option else "")
            self.fail(f"{heading} is no date", str(cell), "a date", to_do, column)
            return None
        if moment.date() > today:
            self.fail(f"{heading} is in the future", f"{moment.date()}", f"{today} at the latest", "correct it", column)
            return None
        return moment


def _moment(cell: Any) -> datetime:
    """Raise ValueError for a value that is neither a date nor an ISO date as text."""
    if isinstance(cell, datetime):
        return cell if cell.tzinfo else cell.replace(tzinfo=UTC)
    if isinstance(cell, date):
        return datetime.combine(cell, time(), UTC)
    if not isinstance(cell, str) or not _ISO_DAY.match(cell):
        raise ValueError(cell)
    moment = datetime.fromisoformat(cell)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
