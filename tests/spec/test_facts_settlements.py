"""Settlements against live claims: each is used up once, and on which rows its units count."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.facts.settlements import with_claim_settlements
from tests.spec.text_tables import cases_of_table
from tests.unit.facts_rows import apart, claim, claims, reference

AS_OF = date(2026, 4, 1)
# In `claims`: claim/line units@month of receipt (2025), then other values. In `settlements`: kind units@month, then
# what it names. Counts: since or before the receipt, in dispute. All of Medicaid FFS, state GA, 2025Q1, unless said.
CASES = """
case                              | claims                               | settlements                        | since          | before | in dispute
a line                            | A/1 30@5, A/2 30@5                   | STATE_CREDIT 30@6 claim=A line=2   | A/2 30         |        |
a claim of two lines              | A/1 30@5, A/2 30@5                   | STATE_CREDIT 30@6 claim=A          | A/1 30         |        |
over its lines in order           | A/2 30@5, A/1 20@5                   | STATE_CREDIT 35@6 claim=A          | A/1 20, A/2 15 |        |
two credits of one claim          | A/1 30@5, A/2 30@5                   | STATE_CREDIT 30@6 claim=A,         | A/1 30, A/2 30 |        |
                                  |                                      | STATE_CREDIT 30@7 claim=A          |                |        |
after one that names a line       | A/1 30@5, A/2 30@5                   | STATE_CREDIT 30@7 claim=A line=1,  | A/1 30, A/2 30 |        |
                                  |                                      | STATE_CREDIT 30@6 claim=A          |                |        |
more than the claim               | A/1 30@5                             | STATE_CREDIT 90@6 claim=A          | A/1 30         |        |
a line that is not live           | A/1 30@5                             | STATE_CREDIT 30@6 claim=A line=2   |                |        |
before the receipt                | A/1 30@5, A/2 30@5                   | STATE_CREDIT 30@4 claim=A          |                | A/1 30 |
repaid by the entity              | A/1 30@5                             | ENTITY_REPAID 10@6 claim=A         | A/1 10         |        |
before and since                  | A/1 30@5                             | STATE_CREDIT 30@4 claim=A,         | A/1 20         | A/1 30 |
                                  |                                      | STATE_CREDIT 20@6 claim=A          |                |        |
receipt not known                 | A/1 30@-                             | STATE_CREDIT 30@6 claim=A          |                | A/1 30 |
one line twice                    | A/1 30@5, A/1 30@6                   | STATE_CREDIT 30@7 claim=A line=1   | A/1 30         |        |
asked for again                   | A/1 30@3, A/1 30@6                   | STATE_CREDIT 30@4 claim=A line=1   | A/1 30         | A/1 30 |
another state                     | A/1 30@5                             | STATE_CREDIT 30@6 claim=A state=AL |                |        |
no state, one payer               | A/1 30@5                             | STATE_CREDIT 30@6 claim=A state=-  | A/1 30         |        |
no state, two payers              | A/1 30@5 payer=P1, A/1 30@5 payer=P2 | STATE_CREDIT 30@6 claim=A state=-  |                |        |
no state, its payer               | A/1 30@5 payer=P1, A/1 20@5 payer=P2 | STATE_CREDIT 30@6 claim=A state=-  | A/1 20         |        |
                                  |                                      | payer=P2                           |                |        |
a rebate type                     | A/1 30@5, A/1 20@5 type=SUPPLEMENTAL | STATE_CREDIT 30@6 claim=A          | A/1 20         |        |
                                  |                                      | type=SUPPLEMENTAL                  |                |        |
no rebate type is federal         | A/1 30@5, A/1 20@5 type=SUPPLEMENTAL | STATE_CREDIT 25@6 claim=A          | A/1 25         |        |
the whole line                    | B/1 30@5, A/1 20@5                   | STATE_CREDIT 35@6                  | A/1 20, B/1 15 |        |
of the line, not of a named claim | A/1 30@5, B/1 30@5                   | STATE_CREDIT 10@6 claim=A,         | A/1 10, B/1 30 |        |
                                  |                                      | STATE_CREDIT 30@6                  |                |        |
of the line, before the receipt   | A/1 30@5                             | STATE_CREDIT 30@4                  |                |        |
of the line of another quarter    | A/1 30@5                             | STATE_CREDIT 30@6 period=2025Q2    |                |        |
of the line, by sub-program       | A/1 30@5 sub=XIX,                    | STATE_CREDIT 20@6 sub=EXPANSION    | B/1 20         |        |
                                  | B/1 30@5 sub=EXPANSION               |                                    |                |        |
of the line, no sub-program       | A/1 30@5 sub=EXPANSION,              | STATE_CREDIT 40@6                  | B/1 30, A/1 10 |        |
                                  | B/1 30@5 sub=XIX                     |                                    |                |        |
of the line, of another invoice   | A/1 30@5 invoice=I1                  | STATE_CREDIT 30@6 invoice=I2       |                |        |
in dispute                        | A/1 30@5, A/2 30@5                   | DISPUTED 40@6 claim=A              |                |        | A/1 30, A/2 10
released later                    | A/1 30@5                             | DISPUTED 30@6 claim=A,             |                |        | A/1 10
                                  |                                      | RELEASED 20@7 claim=A              |                |        |
released on its line              | A/1 30@5, A/2 30@5                   | DISPUTED 30@6 claim=A line=2,      |                |        |
                                  |                                      | RELEASED 30@7 claim=A              |                |        |
released before                   | A/1 30@5                             | RELEASED 30@6 claim=A,             |                |        | A/1 30
                                  |                                      | DISPUTED 30@7 claim=A              |                |        |
released the same day             | A/1 30@5                             | DISPUTED 30@6 claim=A,             |                |        |
                                  |                                      | RELEASED 30@6 claim=A              |                |        |
written off                       | A/1 30@5                             | DISPUTED 30@6 claim=A,             |                |        |
                                  |                                      | WRITTEN_OFF 30@8 claim=A           |                |        |
disputed, then credited           | A/1 30@5                             | DISPUTED 30@6 claim=A,             | A/1 10         |        | A/1 20
                                  |                                      | STATE_CREDIT 10@7 claim=A          |                |        |
paid                              | A/1 30@5                             | PAID 30@6 claim=A                  |                |        |
the whole line in dispute         | A/1 30@5, B/1 30@5                   | DISPUTED 40@6                      |                |        | A/1 30, B/1 10
"""  # noqa: E501
_NAMES = {"payer": "payer_id", "type": "rebate_type", "sub": "sub_program", "invoice": "invoice_number"}
_NAMES |= {"claim": "claim_id", "line": "claim_line", "state": "state", "period": "period"}


def _cases() -> dict[str, dict[str, str]]:
    return cases_of_table(CASES)


def _more(words: list[str]) -> dict[str, Any]:
    values = dict(word.split("=") for word in words)
    more = {_NAMES[name]: None if value == "-" else value for name, value in values.items()}
    return more | ({"claim_line": int(more["claim_line"])} if "claim_line" in more else {})


def _claims(name: str, text: str) -> list[dict[str, Any]]:
    rows = []
    for number, one in enumerate(text.split(", ")):
        key, units, *more = one.split()
        claim_id, line = key.split("/")
        ndc_units, month = units.split("@")
        values = {"received_at": None if month == "-" else datetime(2025, int(month), 15, tzinfo=UTC)} | _more(more)
        if "payer_id" in values:
            values["state"] = None
        row_id = f"{name}: {number}: {key}"
        rows.append(claim(row_id, claim_id=claim_id, claim_line=int(line), ndc_units=ndc_units, **values))
    return rows


def _settlements(text: str) -> list[dict[str, Any]]:
    rows = []
    for one in text.split(", "):
        kind, units, *more = one.split()
        units, month = units.split("@")
        settled = {"program": "MDRP_FFS", "state": "GA", "ndc11": "00002000101", "period": "2025Q1", "kind": kind}
        rows.append(settled | {"units": units, "settled_on": f"2025-0{month}-20"} | _more(more))
    return rows


@pytest.fixture(scope="module")
def results(spark: SparkSession) -> dict[str, dict[str, list[str]]]:
    rows, settled = [], []
    for number, (name, case) in enumerate(_cases().items()):
        rows += apart(number, _claims(name, case["claims"]))
        settled += apart(number, _settlements(case["settlements"]))
    found = with_claim_settlements(claims(spark, rows), reference(spark, "settlements", *settled), AS_OF)
    counted = {name: {"since": [], "before": [], "in dispute": []} for name in _cases()}
    for row in sorted(found.collect(), key=lambda row: row["source_row_id"]):
        name, _, key = row["source_row_id"].split(": ")
        for heading, fact in (
            ("since", "settled_since_units"),
            ("before", "settled_units"),
            ("in dispute", "units_in_dispute"),
        ):
            units = row["settlement"] and row["settlement"][fact]
            if units:
                counted[name][heading].append(f"{key} {units.normalize():f}")
    return counted


@pytest.mark.parametrize("name", _cases())
def test_case(name: str, results: dict[str, dict[str, list[str]]]) -> None:
    expected = {heading: sorted(filter(None, _cases()[name][heading].split(", "))) for heading in results[name]}
    assert {heading: sorted(units) for heading, units in results[name].items()} == expected
