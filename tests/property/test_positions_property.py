"""The unit ledger against a slow reading, unit by unit, over random invoices, claims, settlements and decisions."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from tests.property.positions_reference import Account
from tests.property.worlds import worlds
from tests.unit import facts_rows
from tests.unit.positions_rows import decisions, findings, ledger_of

WORLDS = 250
SUB_PROGRAMS = [(None,), ("XIX", "EXPANSION"), (None, "XIX"), ("CHIP_SEPARATE", "XIX", "EXPANSION")]
KINDS = ["PAID", "PAID", "DISPUTED", "DISPUTED", "RELEASED", "WRITTEN_OFF", "STATE_CREDIT", "ENTITY_REPAID", "decided"]


@st.composite
def accounts(draw: Any) -> Any:
    """Invoice lines, claims and events of one product in one state and quarter."""
    subs = draw(st.sampled_from(SUB_PROGRAMS))
    lines = {}
    for sub in subs:
        for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
            number = draw(st.sampled_from([None, "I1", "I2"]))
            kind = draw(st.sampled_from(["CURRENT", "CURRENT", "PRIOR_DELTA", "PRIOR_REPLACEMENT"]))
            kind = "CURRENT" if not any(one[1] == sub for one in lines) and draw(st.booleans()) else kind
            least = -6 if kind == "PRIOR_DELTA" else 0
            month = draw(st.sampled_from([None, 4, 5, 6]))
            lines[number, sub, kind] = {
                "invoice_number": number,
                "sub_program": sub,
                "line_kind": kind,
                "received_date": month and date(2025, month, 15),
                "units_reimbursed": str(draw(st.integers(least, 12))),
            }
    claims = [
        {
            "claim_id": draw(st.sampled_from("ABC")),
            "claim_line": draw(st.integers(1, 2)),
            "sub_program": draw(st.sampled_from([*subs, None, "STATE_ONLY"])),
            "ndc_units": str(draw(st.sampled_from([1, 2, 3, 4, 4, -2]))),
        }
        for _ in range(draw(st.integers(0, 5)))
    ]
    events = []
    for number in range(draw(st.sampled_from([0, 0, 1, 2, 3, 4, 5, 6]))):
        kind = draw(st.sampled_from(KINDS))
        claim_id, claim_line = draw(st.sampled_from([None, None, "A", "B", "Z"])), draw(st.sampled_from([None, 1, 2]))
        sub = draw(st.sampled_from([None, None, *subs]))
        event = {"kind": kind, "units": draw(st.integers(1, 8)), "day": date(2025, draw(st.integers(5, 9)), 20)}
        event |= {"order": f"{number:02}", "code": f"C{draw(st.integers(1, 3))}{number}", "row": None}
        if kind == "decided":
            events += decided(draw, event, list(lines.values()), claims)
        else:
            line = claim_line if claim_id else None
            events.append(event | {"claim_id": claim_id, "claim_line": line, "sub_program": sub})
    return list(lines.values()), claims, events


def decided(
    draw: Any, event: dict[str, Any], lines: list[dict[str, Any]], claims: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """A decision on a claim or a line; none if there is neither."""
    rows = [("claim", at) for at in range(len(claims))] + [("line", at) for at in range(len(lines))]
    if not rows:
        return []
    table, at = draw(st.sampled_from(rows))
    about = {"claim": claims, "line": lines}[table][at]
    named = {"claim_id": about.get("claim_id"), "claim_line": about.get("claim_line")}
    return [event | named | {"sub_program": about["sub_program"], "row": f"{table} {at}"}]


@pytest.fixture(scope="module")
def drawn() -> dict[int, list[Any]]:
    return {}


@pytest.fixture
def drawn_accounts(drawn: dict[int, list[Any]], seed: int) -> Any:
    if seed not in drawn:
        drawn[seed] = worlds(accounts(), WORLDS, seed)
    return drawn[seed]


def tables_of(drawn_accounts: list[Any]) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, (lines, claims, events) in enumerate(drawn_accounts):
        own: dict[str, list[dict[str, Any]]] = defaultdict(list)
        own["invoices"] = [facts_rows.invoice(f"{number} line {at}", **row) for at, row in enumerate(lines)]
        own["claims"] = [facts_rows.claim(f"{number} claim {at}", **row) for at, row in enumerate(claims)]
        for event in events:
            if event["row"] is None:
                settled = {name: event[name] for name in ("kind", "code", "claim_id", "claim_line", "sub_program")}
                settled |= {"units": str(event["units"]), "settled_on": event["day"], "settlement_id": event["order"]}
                key = {"program": "MDRP_FFS", "state": "GA", "ndc11": facts_rows.NDC, "period": "2025Q1"}
                own["settlements"].append(settled | key)
                continue
            finding_id = f"{number} {event['order']}"
            at = datetime.combine(event["day"], datetime.min.time(), UTC)
            decision = {"finding_id": finding_id, "decided_at": at, "decided_by": "A", "decision": "DISPUTE"}
            own["decisions"].append(decision | {"units": str(event["units"])})
            subject = "REBATE_CLAIM" if event["row"].startswith("claim") else "INVOICE"
            found = {"finding_id": finding_id, "subject": subject, "dispute_code": event["code"]}
            own["findings"].append(found | {"source_row_id": f"{number} {event['row']}"})
        for table, rows in own.items():
            tables[table] += facts_rows.apart(number, rows)
    return tables


def posted(
    spark: SparkSession,
    tables: dict[str, list[dict[str, Any]]],
    partitions: int = 3,
    all_in_sequence: bool = False,
    has_invoices: bool = True,
) -> Any:
    return ledger_of(
        facts_rows.claims(spark, tables["claims"], partitions),
        facts_rows.invoices(spark, tables["invoices"], partitions) if has_invoices else None,
        facts_rows.reference(spark, "settlements", *tables["settlements"]).repartition(partitions),
        (decisions(spark, tables["decisions"]), findings(spark, tables["findings"])),
        all_in_sequence=all_in_sequence,
    )


def in_text(rows: list[dict[str, Any]]) -> Counter[Any]:
    return Counter(repr(sorted(row.items())) for row in rows)


def test_a_slow_reading_comes_to_the_same(spark: SparkSession, drawn_accounts: Any) -> None:
    expected, beyond = {}, Counter()
    for number, (lines, claims, events) in enumerate(drawn_accounts):
        account = Account(lines, claims, events)
        expected[number] = account.positions()
        beyond += account.beyond
    ledger = posted(spark, tables_of(drawn_accounts))
    assert ledger.out_of_balance == 0
    assert ledger.not_placed == 0
    got: dict[int, Counter[Any]] = defaultdict(Counter)
    for row in ledger.rows:
        claim = row["claim_id"] and (row["claim_id"], row["claim_line"])
        key = (row["sub_program"], claim, row["position"], row["code"] or "")
        got[int(row["ndc11"][:5])][key] += int(row["units"])
    wrong = {n: (drawn_accounts[n], got[n], own) for n, own in expected.items() if got[n] != own}
    assert not wrong, f"{len(wrong)} accounts, the first: {next(iter(wrong.values()))}"
    # what claim lines credit beyond all claims of the account
    counted = {reason: rows for reason, rows in ledger.not_booked.items() if reason != "NEGATIVE_CLAIM_UNITS"}
    assert counted == beyond
    positions = {position for own in expected.values() for _, _, position, _ in own}
    assert len(positions) == 7


@pytest.mark.parametrize("has_invoices", [True, False])
def test_expressions_and_the_sequence_agree(spark: SparkSession, drawn_accounts: Any, has_invoices: bool) -> None:
    """Accounts without events are posted by expressions in a run."""
    tables = tables_of(drawn_accounts)
    usual = posted(spark, tables, has_invoices=has_invoices)
    in_sequence = posted(spark, tables, all_in_sequence=True, has_invoices=has_invoices)
    assert in_text(usual.rows) == in_text(in_sequence.rows)


def test_order_and_partitions_change_nothing(spark: SparkSession, drawn_accounts: Any) -> None:
    tables = tables_of(drawn_accounts)
    reversed_tables = defaultdict(list, {table: rows[::-1] for table, rows in tables.items()})
    one, other = posted(spark, tables), posted(spark, reversed_tables, partitions=1)
    assert in_text(one.rows) == in_text(other.rows)
    assert one.not_booked == other.not_booked
