"""What a run as of a past day prepares is what one prepares from the files of that day (contract parts 2, 5, 7.16)."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.contracts.prepared import JUDGEMENT
from engine.contracts.tables import TABLES
from engine.prepare import (
    conform,
    good_rows,
    live_entity_claims,
    live_invoices,
    live_rebate_claims,
    live_references,
    net,
    net_pharmacy_claims,
    pharmacy_dispenses,
)
from tests.property.test_prepare_netting_property import entity_world, pharmacy_world, rebate_world
from tests.unit.prepare_rows import GOOD, received, settled

THEN = date(2026, 1, 2)
DAYS = [None, "2025-12-31", "2026-01-02", "2026-01-03", "2026-02-01"]
NDC = "00002759701"
WORLDS = 60


def dated(table: str, source: random.Random, number: int, *names: str) -> list[dict[str, str | None]]:
    """Few keys, random days: rows of one key in several snapshots, values that differ."""
    rows: list[dict[str, str | None]] = []
    for _ in range(source.randrange(1, 5)):
        one: dict[str, Any] = {**GOOD.get(table, {}), **REFERENCES.get(table, {})}
        one |= {name: source.choice(DAYS) for name in names}
        for name, values in VARIED[table].items():
            one[name] = source.choice(values)
        if table == "invoices":
            one["invoice_number"] = f"I{number}"
        elif table in ("prices", "settlements"):
            one["period"] = f"{2000 + number}Q3"
        elif table == "chargebacks":
            one["chargeback_id"] = f"{number}"
        else:
            one["finding_id"] = f"{number}"
        rows.append(one)
    return rows


REFERENCES = {
    "prices": {"ndc": NDC},
    "settlements": {"ndc": NDC, "program": "MDRP_FFS", "kind": "PAID"},
    "chargebacks": {"ndc": NDC, "entity_id": "DSH1", "packages": "1", "contract_type": "340B"},
    "decisions": {"decided_by": "A"},
}
VARIED: dict[str, Any] = {
    "invoices": {"units_reimbursed": ["10", "20"], "sub_program": [None, "XIX"]},
    "prices": {"wac_unit": ["1", "2"]},
    "settlements": {"units": ["1", "2"], "settlement_id": [None, "S1"]},
    "chargebacks": {"wac": ["1", "2"]},
    "decisions": {"decision": ["PAY", "DISMISS"]},
}
# Table -> its rows of one world, and the days of which the latest (feeds: the first that is known) says when it came.
WORLDS_OF = {
    "rebate_claims": (rebate_world, ["received_at"]),
    "pharmacy_claims": (pharmacy_world, ["received_at", "transaction_at"]),
    "entity_claims": (entity_world, ["submitted_at"]),
    "invoices": (
        lambda *of: dated("invoices", *of, "received_date", "postmark_date"),
        ["received_date", "postmark_date"],
    ),
    "prices": (lambda *of: dated("prices", *of, "snapshot_date"), ["snapshot_date"]),
    "settlements": (
        lambda *of: dated("settlements", *of, "snapshot_date", "settled_on"),
        ["snapshot_date", "settled_on"],
    ),
    "chargebacks": (
        lambda *of: dated("chargebacks", *of, "snapshot_date", "invoice_date"),
        ["snapshot_date", "invoice_date"],
    ),
    "decisions": (lambda *of: dated("decisions", *of, "snapshot_date", "decided_at"), ["snapshot_date", "decided_at"]),
}
FEEDS = ("rebate_claims", "pharmacy_claims", "entity_claims", "invoices")


def was_there(name: str, one: dict[str, str | None]) -> bool:
    days = [one[day][:10] for day in WORLDS_OF[name][1] if one[day]]
    return max(days[:1] if name in FEEDS else days, default="") <= THEN.isoformat()


def prepared(spark: SparkSession, name: str, rows: list[dict[str, str | None]]) -> list[str]:
    """Live rows as values, without the join key."""
    conformed = settled(conform(received(spark, rows), TABLES[name], as_of=THEN))
    if name == "pharmacy_claims":
        live = pharmacy_dispenses(conformed, net_pharmacy_claims(conformed))
    else:
        netting = settled(net(conformed, TABLES[name]))
        live = {
            "rebate_claims": lambda: live_rebate_claims(conformed, netting, None, None),
            "entity_claims": lambda: live_entity_claims(conformed, netting),
            "invoices": lambda: live_invoices(conformed, netting),
        }.get(name, lambda: live_references(conformed, netting))()
    assert good_rows(conformed).count() > 0
    return sorted(str(one) for one in live.drop("row_id", *JUDGEMENT.names).collect())


@pytest.mark.parametrize("name", WORLDS_OF)
def test_a_past_day_is_prepared_as_on_that_day(spark: SparkSession, seed: int, name: str) -> None:
    source = random.Random(seed)
    made, _ = WORLDS_OF[name]
    rows = [one for number in range(WORLDS) for one in made(source, number)]
    known = [one for one in rows if was_there(name, one)]
    assert 0 < len(known) < len(rows)
    every = sorted({column for one in rows for column in one})
    of_that_day = [dict.fromkeys(every) | one for one in known]
    assert prepared(spark, name, rows) == prepared(spark, name, of_that_day)
