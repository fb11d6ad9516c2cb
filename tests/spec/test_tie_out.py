"""The tie-out, sentence by sentence: what an invoice bills against what its claim-level detail holds (part 7.14)."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine import facts, positions
from engine.contracts.findings import FINDINGS
from engine.contracts.positions import POSITIONS
from engine.contracts.tie_out import TIE_OUT
from engine.settings import DeadlineSettings, TieOutSettings
from tests.spec.text_tables import cases_of_table
from tests.unit.facts_rows import apart, claim, claims, frame, invoice, invoices, reference
from tests.unit.positions_rows import ledger_of

# State GA, Medicaid FFS, 2025Q1, FEDERAL, unless a case names another. invoiced: units of lines; `?` states none.
# detail: units of live claim lines. quarantined: claim rows that could not be read, `?` without readable units.
# settled: kinds and units of settlements of the line. gap: invoiced less detail, and its part of the invoice.
# units: paid, credited, in dispute, open; what is not invoiced comes after a plus.
CASES = """
case                                     | invoiced              | detail                 | quarantined | settled         | color  | gap        | units
detail and invoice agree                 | 100                   | 60, 40                 |             |                 | GREEN  | 0, 0       | 0 0 0 100
exactly half a percent off               | 1000                  | 995                    |             |                 | GREEN  | 5, 0.005   | 0 0 0 1000
a little short                           | 1000                  | 990                    |             |                 | YELLOW | 10, 0.01   | 0 0 0 1000
exactly ten percent off                  | 100                   | 90                     |             |                 | YELLOW | 10, 0.1    | 0 0 0 100
more than ten percent short              | 100                   | 89                     |             |                 | RED    | 11, 0.11   | 0 0 0 100
more than ten percent beyond             | 100                   | 60, 51                 |             |                 | RED    | -11, -0.11 | 0 0 0 100 + 11
quarantined rows explain the gap         | 100                   | 60                     | 30, 10      |                 | RED    | 40, 0.4    | 0 0 0 100
they explain a part of it                | 100                   | 60                     | 30          |                 | RED    | 40, 0.4    | 0 0 0 100
their units cannot be read               | 100                   | 60                     | ?           |                 | RED    | 40, 0.4    | 0 0 0 100
they are not in the detail               | 100                   | 100                    | 30          |                 | GREEN  | 0, 0       | 0 0 0 100
paid, disputed and credited              | 100                   | 60, 40                 |             | PAID 80,        | GREEN  | 0, 0       | 50 30 20 0
                                         |                       |                        |             | DISPUTED 20,    |        |            |
                                         |                       |                        |             | STATE_CREDIT 30 |        |            |
no claim of the product                  | 100                   |                        |             |                 | RED    | 100, 1     | 0 0 0 100
no detail of the state and quarter       | 100 state=WY          |                        |             |                 | RED    | 100, 1     | 0 0 0 100
a product that the invoice does not bill |                       | 30                     |             |                 | RED    | -30, -     | 0 0 0 0 + 30
no invoice is known                      |                       | 30 state=VT            |             |                 | NONE   | -, -       | 0 0 0 30
the line states no units                 | ?                     | 30                     |             |                 | NONE   | -, -       | 0 0 0 30
sub-programs are added up                | 60 sub=XIX,           | 100 sub=XIX            |             |                 | GREEN  | 0, 0       | 0 0 0 100 + 40
                                         | 40 sub=EXPANSION      |                        |             |                 |        |            |
kinds of rebate are not                  | 100 type=SUPPLEMENTAL | 100 type=SUPPLEMENTAL, |             |                 | GREEN  | 0, 0       | 0 0 0 100
                                         |                       | 7                      |             |                 |        |            |
a correction counts                      | 100,                  | 60                     |             |                 | GREEN  | 0, 0       | 0 0 0 60
                                         | -40 kind=PRIOR_DELTA  |                        |             |                 |        |            |

case                                     | why
a little short                           | short of the invoice by 10.000 units (1.0 %)
exactly ten percent off                  | short of the invoice by 10.000 units (10.0 %)
more than ten percent short              | short of the invoice by 11.000 units (11.0 %)
more than ten percent beyond             | exceeds the invoice by 11.000 units (11.0 %)
quarantined rows explain the gap         | quarantined claim rows would explain all of it
they explain a part of it                | quarantined claim rows would explain a part of it
their units cannot be read               | quarantined claim rows may explain it
no claim of the product                  | no claim-level detail of the product
no detail of the state and quarter       | no claim-level detail of the state, program and quarter
a product that the invoice does not bill | claims of a product that the invoice does not bill
no invoice is known                      | no invoice of the state
the line states no units                 | states no units
"""  # noqa: E501
_NAMES = {"sub": "sub_program", "type": "rebate_type", "kind": "line_kind", "state": "state"}
AS_OF = date(2025, 7, 1)


def _cases() -> dict[str, dict[str, str]]:
    return cases_of_table(CASES)


def _listed(text: str) -> list[tuple[str, dict[str, str]]]:
    parts = [one.split() for one in text.split(", ")] if text else []
    return [(units, {_NAMES[name]: value for name, value in (w.split("=") for w in words)}) for units, *words in parts]


@pytest.fixture(scope="module")
def tied_out(spark: SparkSession) -> dict[tuple[str, str], dict[str, Any]]:
    """TIE_OUT by case and rebate type, of all cases in one ledger, each with a labeler of its own."""
    billed, claimed, settled, unread, names = [], [], [], [], {}
    for number, (name, case) in enumerate(_cases().items()):
        names[f"{number:05}"] = name
        for at, (units, more) in enumerate(_listed(case["invoiced"])):
            own = {"rebate_type": None, "postmark_date": date(2025, 6, 1)} | more
            units_billed = None if units == "?" else units
            billed.append(apart(number, invoice(f"{name} {at}", **own) | {"units_reimbursed": units_billed}))
        for at, (units, more) in enumerate(_listed(case["detail"])):
            stated = {"claim_id": f"C{at}", "ndc_units": units} | more
            stated["payer_id"] = stated.get("state", "GA")
            claimed.append(apart(number, claim(f"{name} claim {at}", **stated)))
        for one in filter(None, case["quarantined"].split(", ")):
            readable = None if one == "?" else Decimal(one)
            unread.append(("MDRP_FFS", "GA", f"{number:05}000101", "2025Q1", readable))
        for at, one in enumerate(filter(None, case["settled"].split(", "))):
            kind, units = one.split()
            line = {"program": "MDRP_FFS", "state": "GA", "ndc11": "00002000101", "period": "2025Q1"}
            day = date(2025, 6, 20 + at)
            settled.append(apart(number, line | {"kind": kind, "units": units, "settled_on": day}))
    rows = _tie_out(spark, claimed, billed, settled, unread)
    return {(names[row["labeler_code"]], row["rebate_type"]): row for row in rows}


def _tie_out(
    spark: SparkSession,
    claimed: list[dict[str, Any]],
    billed: list[dict[str, Any]],
    settled: list[dict[str, Any]],
    unread: list[tuple[str | Decimal | None, ...]],
) -> list[dict[str, Any]]:
    live, lines = claims(spark, claimed), invoices(spark, billed)
    ledger = ledger_of(live, lines, reference(spark, "settlements", *settled), as_of=AS_OF)
    assert ledger.out_of_balance == 0
    of_positions = frame(spark, ledger.rows, POSITIONS)
    rows = positions.tie_out_lines(
        positions.claim_lines(live), positions.invoice_lines(lines), of_positions, lines, None
    )
    schema = "program string, state string, ndc11 string, period string, units decimal(15,3)"
    quarantined = spark.createDataFrame(unread, schema)
    counted = facts.with_unread_rows(rows, quarantined, ("program", "state", "ndc11", "period"))
    compared = positions.compared(counted, TieOutSettings(), DeadlineSettings(), AS_OF)
    return [row.asDict() for row in compared.collect()]


@pytest.mark.parametrize("name", _cases())
def test_case(name: str, tied_out: dict[tuple[str, str], dict[str, Any]]) -> None:
    case = _cases()[name]
    kinds = {more.get("rebate_type", "FEDERAL") for _, more in (*_listed(case["invoiced"]), *_listed(case["detail"]))}
    row = tied_out[name, sorted(kinds)[-1]]
    gap, share = (None if text == "-" else Decimal(text) for text in case["gap"].split(", "))
    assert row["color"] == case["color"]
    assert row["gap_units"] == gap
    assert row["gap_share"] == (None if share is None else pytest.approx(float(share)))
    assert (row["reason"] is None) if case["color"] == "GREEN" else (case["why"] in row["reason"])
    in_sum, _, beyond = case["units"].partition(" + ")
    columns = ("units_paid", "units_credited", "units_in_dispute", "units_open")
    assert [row[column] for column in columns] == [Decimal(units) for units in in_sum.split()]
    assert row["units_settled"] == row["units_paid"] + row["units_credited"]
    assert row["units_not_invoiced"] == Decimal(beyond or 0)
    readable = [Decimal(one) for one in case["quarantined"].split(", ") if one not in ("", "?")]
    assert row["quarantined_units"] == sum(readable, Decimal(0))
    assert row["quarantined_lines"] == len([one for one in case["quarantined"].split(", ") if one])


def test_days_until_interest(tied_out: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Postmark 1 June 2025 and 37 days: 8 July is the last day without interest, 7 days after the run's."""
    open_line = tied_out["detail and invoice agree", "FEDERAL"]
    assert (open_line["interest_free_until"], open_line["days_until_interest"]) == (date(2025, 7, 8), 7)
    assert tied_out["no invoice is known", "FEDERAL"]["days_until_interest"] is None


def test_a_paid_line_waits_for_no_interest(spark: SparkSession) -> None:
    billed = [invoice("line", rebate_type=None, units_reimbursed="30", postmark_date=date(2025, 1, 1))]
    claimed = [claim("claim", claim_id="C", ndc_units="30")]
    line = {"program": "MDRP_FFS", "state": "GA", "ndc11": billed[0]["ndc11"], "period": "2025Q1"}
    paid = [line | {"kind": "PAID", "units": "30", "settled_on": date(2025, 3, 1)}]
    [row] = _tie_out(spark, claimed, billed, paid, [])
    assert (row["units_open"], row["days_until_interest"]) == (0, None)


def test_claims_on_a_red_line_are_named_and_counted(
    spark: SparkSession, tied_out: dict[tuple[str, str], dict[str, Any]]
) -> None:
    """By state, program, rebate type, NDC and quarter: the same product in another state is not held."""
    by_name = {name: row for (name, _), row in tied_out.items()}
    red, green = by_name["more than ten percent short"], by_name["detail and invoice agree"]
    line = {"subject": "REBATE_CLAIM", "program": "MDRP_FFS", "payer_id": "GA", "state": "GA", "period": "2025Q1"}
    found = frame(
        spark,
        [
            line | {"finding_id": "F1", "ndc11": red["ndc11"]},
            line | {"finding_id": "F2", "ndc11": red["ndc11"], "rebate_type": "FEDERAL"},
            line | {"finding_id": "F3", "ndc11": red["ndc11"], "rebate_type": "SUPPLEMENTAL"},
            line | {"finding_id": "F4", "ndc11": red["ndc11"], "state": "KY", "payer_id": "KY"},
            line | {"finding_id": "F5", "ndc11": red["ndc11"], "period": "2025Q2"},
            line | {"finding_id": "F6", "ndc11": green["ndc11"]},
            line | {"finding_id": "F7", "ndc11": red["ndc11"], "subject": "INVOICE"},
        ],
        FINDINGS,
    )
    table = frame(spark, [red, green], TIE_OUT)
    held = positions.on_red_lines(found, table)
    assert {row["finding_id"] for row in held.collect()} == {"F1", "F2"}
    counts = defaultdict(int)
    for row in positions.with_held_lines(table, held).collect():
        counts[row["color"]] += row["dispute_lines_held"]
    assert counts == {"RED": 2, "GREEN": 0}
