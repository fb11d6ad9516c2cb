"""Tickets for an issue tracker, as a CSV file that JIRA's importer reads.

A ticket has a stable external id. If the file states an issue's key, JIRA updates that issue instead of creating
another, so a file of keys exported from JIRA (external id and issue key) fills the column `Issue key` of the next
import.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from engine.contracts.cases import CaseStatus
from engine.contracts.codes import Action, Evidence, Party, Route
from engine.contracts.words import ACTION_WORDS, DEADLINE_WORDS, PARTY_WORDS, ROUTE_WORDS, STATUS_WORDS
from engine.errors import InputError, Problem
from engine.exports.batches import in_priority_order
from engine.exports.csv_files import csv_writer
from engine.exports.plain_text import cut, plain, safe_text
from engine.exports.side_by_side import shown
from engine.exports.totals import is_dismissed
from engine.runtime.storage import Storage

TICKETS_NAME = "tickets.csv"
ISSUE_KEY, EXTERNAL_ID = "Issue key", "External issue ID"
LABEL_COLUMNS = 6
_HEADINGS = (ISSUE_KEY, EXTERNAL_ID, "Issue Type", "Summary", "Description", "Priority", "Due date")
# JIRA refuses summaries of 255 or more characters, descriptions of more than 32,767 and labels of more than 255.
_LONGEST_SUMMARY, _LONGEST_DESCRIPTION, _LONGEST_LABEL = 254, 32_767, 255
_SOON = timedelta(days=14)
_PRIORITIES = {
    Evidence.STRONG.value: "High",
    Evidence.MEDIUM.value: "Medium",
    Evidence.WEAK.value: "Low",
    Evidence.CONTEXT.value: "Lowest",
}


@dataclass(frozen=True)
class Ticket:
    """external_id: the same in every run for the same finding or case. labels: at most LABEL_COLUMNS are written."""

    external_id: str
    summary: str
    description: str
    priority: str
    due: date | None
    labels: tuple[str, ...]


def finding_tickets(
    findings: DataFrame, rule_titles: Mapping[str, str], today: date, most: int, redacted: bool
) -> list[Ticket]:
    """The first `most` findings of the queue that are worth an analyst's time, highest priority first.

    `redacted`: `findings` come from `redacted_findings`; claim numbers and dates of service are then not written
    either. Rx numbers are never written.
    """
    is_worth_it = F.col("amount_at_issue").isNull() | (F.col("priority") > 0)
    queue = findings.where(~is_dismissed() & is_worth_it).orderBy(*in_priority_order()).limit(most)
    return [_ticket(row.asDict(recursive=True), rule_titles, today, redacted) for row in queue.collect()]


def case_tickets(cases: DataFrame, today: date, most: int, redacted: bool) -> list[Ticket]:
    """The first `most` CASES that are not resolved and worth an analyst's time, in the order of the sheet Cases.

    `redacted`: without amounts.
    """
    resolved = [CaseStatus.RESOLVED_CREDIT.value, CaseStatus.RESOLVED_PAY.value]
    is_worth_it = (F.col("expected_recovery") > 0) | (F.col("findings_without_price") == F.col("findings"))
    open_cases = cases.where(~F.col("status").isin(resolved) & is_worth_it)
    rows = open_cases.orderBy(F.col("expected_recovery").desc(), F.col("case_id").asc()).limit(most).collect()
    return [_case_ticket(row.asDict(), today, redacted) for row in rows]


def write_tickets(tickets: Sequence[Ticket], storage: Storage, uri: str, keys: Mapping[str, str] | None = None) -> None:
    """Write one line per ticket. `keys`: issue keys by external id, of issues that exist in the tracker.

    Raises OutputError.
    """
    known = keys or {}
    with storage.local_file(uri) as path, path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv_writer(file)
        writer.writerow([*_HEADINGS, *["Labels"] * LABEL_COLUMNS])
        for ticket in tickets:
            labels = [_label(text) for text in ticket.labels[:LABEL_COLUMNS]]
            cells = [
                safe_text(known.get(ticket.external_id)),
                ticket.external_id,
                "Task",
                safe_text(plain(ticket.summary, _LONGEST_SUMMARY - 1)),
                _lines(ticket.description),
                ticket.priority,
                ticket.due.isoformat() if ticket.due else None,
            ]
            writer.writerow([*cells, *labels, *[None] * (LABEL_COLUMNS - len(labels))])


def read_issue_keys(storage: Storage, uri: str) -> dict[str, str]:
    """Read issue keys by external id from a CSV file exported from JIRA; columns are matched by their headings.

    JIRA calls a custom field `Custom field (External issue ID)`. Raises InputError if a column is missing.
    """
    text = storage.read_bytes(uri).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text), delimiter=_separator(text)))
    headings = [_heading(cell) for cell in rows[0]] if rows else []
    missing = [name for name in (ISSUE_KEY, EXTERNAL_ID) if _heading(name) not in headings]
    if missing:
        heading = ", ".join(rows[0])[:200] if rows else "an empty file"
        raise InputError(
            Problem(
                f"the file of issue keys has no column {' and no column '.join(missing)}",
                uri,
                heading,
                f"{ISSUE_KEY} and {EXTERNAL_ID}",
                "export both columns from JIRA, or remove tickets.keys",
            )
        )
    key, external = (headings.index(_heading(name)) for name in (ISSUE_KEY, EXTERNAL_ID))
    filled = (row for row in rows[1:] if len(row) > max(key, external) and row[external])
    return {row[external].strip(): row[key].strip() for row in filled}


def _ticket(finding: dict[str, Any], titles: Mapping[str, str], today: date, redacted: bool) -> Ticket:
    rules = [hit["rule_id"] for hit in finding["rules"]]
    first = titles.get(rules[0], rules[0]).split(" / ")[0] if rules else "Unusual"
    payer = finding["payer_id"] or finding["state"] or finding["entity_id"] or ""
    product = finding["product_name"] or finding["ndc11"] or ""
    where = ", ".join(part for part in (payer, product, finding["period"]) if part)
    return Ticket(
        external_id=f"finding-{finding['finding_id']}",
        summary=f"{first}: {where}",
        description="\n".join(_description(finding, titles, today, redacted)),
        priority=_priority(finding, today),
        due=finding["deadline_date"],
        labels=_labels(finding, rules, payer),
    )


def _description(finding: dict[str, Any], titles: Mapping[str, str], today: date, redacted: bool) -> list[str]:
    lines = [] if redacted else [finding["narrative"] or "", ""]
    values = {
        "Evidence": finding["evidence"],
        "Rules": "; ".join(f"{hit['rule_id']} {titles.get(hit['rule_id'], '')}" for hit in finding["rules"]),
        "Suggested action": _in_words(ACTION_WORDS, Action, finding["action"]),
        "Goes to": _in_words(ROUTE_WORDS, Route, finding["route"]),
        "Party at fault": _in_words(PARTY_WORDS, Party, finding["party_at_fault"]),
        "Program": finding["program"],
        "Payer": finding["payer_id"],
        "Product": " ".join(part for part in (finding["ndc11"], finding["product_name"]) if part),
        "Period": finding["period"],
        "Invoice number": finding["invoice_number"],
        "340B entity": finding["entity_id"],
        "Units at issue": shown(finding["units_at_issue"]),
        "Amount at issue": None if finding["amount_at_issue"] is None else f"${finding['amount_at_issue']:,.2f}",
        "Dispute code": finding["dispute_code"],
        "Documents needed": "; ".join(sorted({hit["document"] for hit in finding["rules"] if hit["document"]})),
        "Deadline": _deadline(finding, today),
        "Finding id": finding["finding_id"],
    }
    return [*lines, *(f"{label}: {value}" for label, value in values.items() if value not in (None, ""))]


def _case_ticket(case: dict[str, Any], today: date, redacted: bool) -> Ticket:
    counterparty = case["counterparty_name"] or case["counterparty_id"] or ""
    where = ", ".join(part for part in (counterparty, case["labeler_code"], case["case_period"]) if part)
    evidence = next((c for c in Evidence if case.get(f"findings_{c.value.lower()}")), Evidence.CONTEXT).value
    amounts = {} if redacted else {"Open": case["amount_open"], "Expected recovery": case["expected_recovery"]}
    by_evidence = [f"{case[f'findings_{name}'] or 0:,} {name}" for name in ("strong", "medium", "weak")]
    values = {
        "Status": _in_words(STATUS_WORDS, CaseStatus, case["status"]),
        "Goes to": _in_words(ROUTE_WORDS, Route, case["counterparty_kind"]),
        "Counterparty": " ".join(dict.fromkeys(part for part in (case["counterparty_id"], counterparty) if part)),
        "Contact": case["contact"],
        "Contact of the cause": case["root_contact"],
        "Period": case["case_period"],
        "Labeler": case["labeler_code"],
        "Contract": case["contract_id"],
        "Findings": f"{case['findings']:,} ({', '.join(by_evidence)})",
        "Units open": shown(case["units_open"]),
        **{label: None if amount is None else f"${amount:,.2f}" for label, amount in amounts.items()},
        "Dispute codes": case["codes"],
        "Deadline": _deadline(case, today),
        "Case id": case["case_id"],
    }
    lines = [case["root_words"] or "", ""]
    lines += [f"{label}: {value}" for label, value in values.items() if value not in (None, "")]
    labels = (evidence, "CASE", case["counterparty_kind"], case["counterparty_id"], case["root_cause"])
    return Ticket(
        external_id=f"case-{case['case_id']}",
        summary=f"{case['root_words'] or 'Case'}: {where}",
        description="\n".join(lines),
        priority=_priority({"evidence": evidence, "deadline_date": case["deadline_date"]}, today),
        due=case["deadline_date"],
        labels=tuple(label for label in labels if label),
    )


def _deadline(finding: dict[str, Any], today: date) -> str | None:
    day = finding["deadline_date"]
    if day is None:
        return None
    passed = ", passed" if day < today else ""
    return f"{day}{passed}: {DEADLINE_WORDS.get(finding['deadline_kind'], finding['deadline_kind'])}"


def _in_words(words: Mapping[Any, str], kind: Any, code: str | None) -> str | None:
    return words[kind(code)] if code in set(kind) else code


def _priority(finding: dict[str, Any], today: date) -> str:
    """Priority by evidence; Highest for STRONG findings with a deadline within two weeks."""
    day = finding["deadline_date"]
    if finding["evidence"] == Evidence.STRONG.value and day is not None and today <= day <= today + _SOON:
        return "Highest"
    return _PRIORITIES.get(finding["evidence"], "Medium")


def _labels(finding: dict[str, Any], rules: Sequence[str], payer: str) -> tuple[str, ...]:
    words = (
        finding["evidence"],
        finding["subject"],
        payer,
        finding["dispute_code"] and f"code-{finding['dispute_code']}",
    )
    return (*(word for word in words if word), *rules)


def _label(text: str) -> str:
    """Labels, without blanks."""
    return cut(re.sub(r"[^\w.-]+", "-", text).strip("-=+@"), _LONGEST_LABEL)


def _lines(text: str) -> str:
    """Text of several lines, each safe for a spreadsheet that opens the file before JIRA does."""
    return cut("\n".join(safe_text(line) or "" for line in text.split("\n")), _LONGEST_DESCRIPTION)


def _heading(text: str) -> str:
    inner = re.sub(r"^\s*custom field \((.*)\)\s*$", r"\1", text.strip(), flags=re.IGNORECASE)
    return re.sub(r"[^a-z]", "", inner.lower())


def _separator(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)
