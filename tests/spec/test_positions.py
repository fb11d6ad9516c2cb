"""The unit ledger, sentence by sentence: which position each invoiced or claimed unit has (contract part 4)."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.spec.text_tables import cases_of_table
from tests.unit.facts_rows import apart, claim, claims, invoice, invoices, reference
from tests.unit.positions_rows import decisions, findings, ledger_of

# invoices: units@month of receipt, then other values. claims: claim/line units. events: the kind of a settlement, or
# `decided` (a person's DISPUTE), units@month, and the claim that it names. positions: claim/line (- for units without a
# claim), position, units; `not` counts units that are not booked. All of 2025, Medicaid FFS, state GA, 2025Q1, unless
# a case states otherwise.
CASES = """
case                                        | invoices                          | claims
a claim that is invoiced                    | 30                                | A/1 30
invoiced beyond the claims                  | 50                                | A/1 30
no detail of the state and quarter          | 50 state=WY                       |
claimed beyond the invoice                  | 40                                | B/1 30, A/1 30
a claim that no line invoices               |                                   | A/1 30
no invoice of the state and quarter known   |                                   | A/1 30 state=VT
a contract has no invoice                   |                                   | A/1 30 program=COMMERCIAL payer=PBM1
a claim is paid                             | 60                                | A/1 30, B/1 30
a claim's line is paid                      | 60                                | A/1 30, A/2 30
a whole line is paid in part                | 80                                | B/1 30, A/1 30
a whole line is paid                        | 80                                | A/1 30
over claims without a position of their own | 60                                | A/1 30, B/1 30
as well if the claim is named later         | 60                                | A/1 30, B/1 30
paid, then disputed                         | 30                                | A/1 30
disputed and paid on one day                | 30                                | A/1 30
disputed, later paid                        | 30                                | A/1 30
released                                    | 30                                | A/1 30
written off: we pay                         | 30                                | A/1 30
credited, paid units first                  | 60                                | A/1 30, B/1 30
repaid by the entity                        | 30                                | A/1 30
a person decides                            | 60                                | A/1 30, B/1 30
after the day of the run                    | 30                                | A/1 30
a settlement takes a decision up            | 60                                | A/1 30, B/1 30
and what frees it frees the decided units   | 60                                | A/1 30, B/1 30
a decision on a whole line                  | 60                                | A/1 30
settled beyond the line                     | 30                                | A/1 30
a settled claim that is not live            | 50                                | A/1 30
replaced by a prior line                    | 60@5, 40@8 kind=PRIOR_REPLACEMENT | A/1 30, B/1 30
a difference adds                           | 60@5, 20@8 kind=PRIOR_DELTA       | A/1 60
a difference takes out                      | 60@5, -20@8 kind=PRIOR_DELTA      | A/1 30, B/1 30
a credit that it takes out is not booked    | 60@5, -30@8 kind=PRIOR_DELTA      | A/1 30, B/1 30
in part                                     | 60@5, -20@8 kind=PRIOR_DELTA      | A/1 30, B/1 30
a dispute that it answers                   | 60@5, -30@8 kind=PRIOR_DELTA      | A/1 30, B/1 30
a later invoice states the line again       | 60@5 number=I1, 40@7 number=I2    | A/1 40
below zero                                  | 10@5, -30@8 kind=PRIOR_DELTA      | A/1 10
sub-programs apart                          | 30 sub=XIX, 20 sub=EXPANSION      | A/1 30 sub=EXPANSION
a claim without one: XIX, EXPANSION, others | 20 sub=EXPANSION, 20 sub=XIX      | A/1 30
a settlement without one, up to their units | 20 sub=EXPANSION, 20 sub=XIX      | A/1 20 sub=XIX
kinds of rebate apart                       | 30, 30 type=SUPPLEMENTAL          | A/1 30, A/1 30 type=SUPPLEMENTAL
a claim line below zero takes units back    | 30                                | A/1 30, A/2 30, A/3 -30

case                                        | events                                                  | positions
a claim that is invoiced                    |                                                         | A/1 PAYABLE 30
invoiced beyond the claims                  |                                                         | A/1 PAYABLE 30, - NOT_IN_CLD 20
no detail of the state and quarter          |                                                         | - PAYABLE 50
claimed beyond the invoice                  |                                                         | A/1 PAYABLE 30, B/1 PAYABLE 10,
                                            |                                                         | B/1 IN_CLD_NOT_INVOICED 20
a claim that no line invoices               |                                                         | A/1 IN_CLD_NOT_INVOICED 30
no invoice of the state and quarter known   | PAID 10@6 claim=A state=VT                              | A/1 PAID 10, A/1 PAYABLE 20
a contract has no invoice                   | PAID 10@6 claim=A program=COMMERCIAL payer=PBM1 state=- | A/1 PAID 10, A/1 PAYABLE 20
a claim is paid                             | PAID 30@6 claim=B                                       | A/1 PAYABLE 30, B/1 PAID 30
a claim's line is paid                      | PAID 30@6 claim=A line=2                                | A/1 PAYABLE 30, A/2 PAID 30
a whole line is paid in part                | PAID 50@6                                               | A/1 PAID 30, B/1 PAID 20, B/1 PAYABLE 10,
                                            |                                                         | - NOT_IN_CLD 20
a whole line is paid                        | PAID 80@6                                               | A/1 PAID 30, - PAID 50
over claims without a position of their own | DISPUTED 30@6 claim=A, PAID 30@7                        | A/1 DISPUTED 30, B/1 PAID 30
as well if the claim is named later         | PAID 30@6, DISPUTED 30@7 claim=A                        | A/1 DISPUTED 30, B/1 PAID 30
paid, then disputed                         | PAID 30@6, DISPUTED 10@7 claim=A                        | A/1 DISPUTED 10, A/1 PAID 20
disputed and paid on one day                | DISPUTED 30@6 claim=A, PAID 30@6 claim=A                | A/1 DISPUTED 30
disputed, later paid                        | DISPUTED 30@6 claim=A, PAID 30@7 claim=A                | A/1 PAID 30
released                                    | DISPUTED 30@6 claim=A, RELEASED 20@7 claim=A            | A/1 DISPUTED 10, A/1 RELEASED 20
written off: we pay                         | DISPUTED 30@6, WRITTEN_OFF 30@8                         | A/1 RELEASED 30
credited, paid units first                  | DISPUTED 30@6 claim=A, PAID 30@6 claim=B,               | A/1 CREDITED 10, A/1 DISPUTED 20, B/1 CREDITED 30
                                            | STATE_CREDIT 40@7                                       |
repaid by the entity                        | PAID 30@6, ENTITY_REPAID 10@7 claim=A                   | A/1 CREDITED 10, A/1 PAID 20
a person decides                            | decided 20@6 claim=B                                    | A/1 PAYABLE 30, B/1 DISPUTED 20, B/1 PAYABLE 10
after the day of the run                    | PAID 30@2026-05                                         | A/1 PAYABLE 30
a settlement takes a decision up            | decided 30@6 claim=B, DISPUTED 30@7                     | A/1 PAYABLE 30, B/1 DISPUTED 30
and what frees it frees the decided units   | decided 30@6 claim=B, DISPUTED 30@7, RELEASED 30@8      | A/1 PAYABLE 30, B/1 RELEASED 30
a decision on a whole line                  | decided 40@6                                            | A/1 DISPUTED 30, - DISPUTED 10, - NOT_IN_CLD 20
settled beyond the line                     | PAID 50@6                                               | A/1 PAID 30, not SETTLED_BEYOND_INVOICE 1
a settled claim that is not live            | PAID 20@6 claim=Z                                       | A/1 PAYABLE 30, - PAID 20
replaced by a prior line                    |                                                         | A/1 PAYABLE 30, B/1 PAYABLE 10,
                                            |                                                         | B/1 IN_CLD_NOT_INVOICED 20
a difference adds                           |                                                         | A/1 PAYABLE 60, - NOT_IN_CLD 20
a difference takes out                      |                                                         | A/1 PAYABLE 30, B/1 PAYABLE 10,
                                            |                                                         | B/1 IN_CLD_NOT_INVOICED 20
a credit that it takes out is not booked    | PAID 60@6, STATE_CREDIT 30@7 claim=A                    | B/1 PAID 30, A/1 IN_CLD_NOT_INVOICED 30
in part                                     | PAID 60@6, STATE_CREDIT 30@7 claim=A                    | A/1 CREDITED 10, B/1 PAID 30, A/1 IN_CLD_NOT_INVOICED 20
a dispute that it answers                   | PAID 30@6, DISPUTED 30@6 claim=A                        | B/1 PAID 30, A/1 IN_CLD_NOT_INVOICED 30,
                                            |                                                         | not SETTLED_BEYOND_INVOICE 1
a later invoice states the line again       | PAID 40@6                                               | A/1 PAID 40
below zero                                  |                                                         | A/1 IN_CLD_NOT_INVOICED 10
sub-programs apart                          |                                                         | A/1 PAYABLE 20, A/1 IN_CLD_NOT_INVOICED 10,
                                            |                                                         | - NOT_IN_CLD 30
a claim without one: XIX, EXPANSION, others |                                                         | A/1 PAYABLE 30, - NOT_IN_CLD 10
a settlement without one, up to their units | PAID 30@6                                               | A/1 PAID 20, - PAID 10, - NOT_IN_CLD 10
kinds of rebate apart                       | PAID 30@6 type=SUPPLEMENTAL                             | A/1 PAYABLE 30, A/1 PAID 30
a claim line below zero takes units back    |                                                         | A/1 PAYABLE 30
"""  # noqa: E501
_NAMES = {"payer": "payer_id", "type": "rebate_type", "sub": "sub_program", "number": "invoice_number"}
_NAMES |= {"claim": "claim_id", "line": "claim_line", "state": "state", "program": "program", "kind": "line_kind"}


def _cases() -> dict[str, dict[str, str]]:
    return cases_of_table(CASES)


def _more(words: list[str]) -> dict[str, Any]:
    values = dict(word.split("=") for word in words)
    more = {_NAMES[name]: None if value == "-" else value for name, value in values.items()}
    return more | ({"claim_line": int(more["claim_line"])} if "claim_line" in more else {})


def _listed(text: str) -> list[list[str]]:
    return [one.split() for one in text.split(", ")] if text else []


def _day(month: str) -> date:
    year, month = month.split("-") if "-" in month else ("2025", month)
    return date(int(year), int(month), 20)


def _case_rows(number: int, name: str, case: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """The rows of a case by table, apart from those of other cases."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for at, (units, *more) in enumerate(_listed(case["invoices"])):
        units, _, month = units.partition("@")
        received = {"received_date": _day(month)} if month else {}
        line = {"rebate_type": None, "sub_program": None, "invoice_number": None} | received | _more(more)
        rows["invoices"].append(invoice(f"{name}: line {at}", units_reimbursed=units, **line))
    for at, (key, units, *more) in enumerate(_listed(case["claims"])):
        claim_id, claim_line = key.split("/")
        own = {"claim_id": claim_id, "claim_line": int(claim_line), "ndc_units": units} | _more(more)
        rows["claims"].append(claim(f"{name}: claim {at} {claim_id}", **own))
    for at, (kind, units, *more) in enumerate(_listed(case["events"])):
        units, _, month = units.partition("@")
        named = _more(more)
        if kind == "decided":
            rows["decisions"].append(
                {
                    "finding_id": f"{name} {at}",
                    "decided_at": datetime.combine(_day(month), datetime.min.time(), UTC),
                    "decided_by": "A. Analyst",
                    "decision": "DISPUTE",
                    "units": units,
                }
            )
            of_claim = [row["source_row_id"] for row in rows["claims"] if row["claim_id"] == named.get("claim_id")]
            found = {"finding_id": f"{name} {at}", "dispute_code": "X"}
            found["subject"] = "REBATE_CLAIM" if of_claim else "INVOICE"
            found["source_row_id"] = of_claim[0] if of_claim else rows["invoices"][0]["source_row_id"]
            rows["findings"].append(found)
        else:
            settled = {"program": "MDRP_FFS", "state": "GA", "ndc11": "00002000101", "period": "2025Q1", "kind": kind}
            rows["settlements"].append(settled | {"units": units, "settled_on": _day(month)} | named)
    return {table: apart(number, own) for table, own in rows.items()}


@pytest.fixture(scope="module")
def results(spark: SparkSession) -> dict[str, list[tuple[str, str, Decimal]]]:
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    labelers = {}
    for number, (name, case) in enumerate(_cases().items()):
        labelers[f"{number:05}"] = name
        for table, rows in _case_rows(number, name, case).items():
            tables[table] += rows
    ledger = ledger_of(
        claims(spark, tables["claims"]),
        invoices(spark, tables["invoices"]),
        reference(spark, "settlements", *tables["settlements"]),
        (decisions(spark, tables["decisions"]), findings(spark, tables["findings"])),
    )
    assert ledger.out_of_balance == 0
    assert ledger.not_placed == 0
    assert dict(ledger.not_booked) == {"SETTLED_BEYOND_INVOICE": CASES.count("not SETTLED_BEYOND_INVOICE")}
    held = defaultdict(list)
    for row in ledger.rows:
        key = "-" if row["claim_id"] is None else f"{row['claim_id']}/{row['claim_line']}"
        held[labelers[row["ndc11"][:5]]].append((key, row["position"], row["units"]))
    return held


@pytest.mark.parametrize("name", _cases())
def test_case(name: str, results: dict[str, list[tuple[str, str, Decimal]]]) -> None:
    totals = defaultdict(int)
    for key, position, units in results[name]:
        totals[key, position] += units
    expected = defaultdict(int)
    for key, position, count in _listed(_cases()[name]["positions"]):
        if key != "not":
            expected[key, position] += int(count)
    assert totals == expected
