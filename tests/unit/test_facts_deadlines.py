"""On which invoice a claim is billed, and under which contract's term it may be disputed."""

from __future__ import annotations

from datetime import date

import pytest
from pyspark.sql import Row, SparkSession

from engine.facts.deadlines import deadlines_of_claims
from tests.unit.facts_rows import apart, claim, claims, invoice, invoices, reference

COMMERCIAL = {"program": "COMMERCIAL", "payer_id": "PBM1", "state": None}
TERM = {"payer_id": "PBM1", "excludes_340b": True}
MAY, JUNE = "2025-05-10", "2025-06-10"
CASES = {  # the claim; invoice lines; contracts; postmark, day from which interest counts, days to dispute
    "its line": ({}, [{"postmark_date": MAY, "received_date": JUNE}], [], ("05-10", "05-10", None)),
    "receipt of its line": ({}, [{"received_date": JUNE}], [], (None, "06-10", None)),
    "no date": ({}, [{}], [], None),
    "a placeholder is none": ({}, [{"postmark_date": "1900-01-01"}], [], None),
    "another product": ({"ndc11": "00002000102"}, [{"postmark_date": MAY}], [], None),
    "another quarter": ({"period": "2025Q2"}, [{"postmark_date": MAY}], [], None),
    "billed in a later quarter": (
        {"invoice_period": "2025Q2"},
        [{"postmark_date": MAY}, {"period": "2025Q2", "postmark_date": JUNE}],
        [],
        ("06-10", "06-10", None),
    ),
    "its number": (
        {"invoice_number": "I2"},
        [
            {"invoice_number": "I1", "postmark_date": MAY},
            {"invoice_number": "I2", "ndc11": "00002000103", "postmark_date": JUNE},
        ],
        [],
        ("06-10", "06-10", None),
    ),
    "its number is not there": (
        {"invoice_number": "I9"}, [{"invoice_number": "I1", "postmark_date": MAY}], [], None,
    ),
    "the line has no number": ({"invoice_number": "I9"}, [{"postmark_date": MAY}], [], ("05-10", "05-10", None)),
    "two lines": ({}, [{"postmark_date": JUNE}, {"postmark_date": MAY}], [], ("05-10", "05-10", None)),
    "another sub-program": ({"sub_program": "XIX"}, [{"sub_program": "EXPANSION", "postmark_date": MAY}], [], None),
    "sub-program of one side": ({"sub_program": "XIX"}, [{"postmark_date": MAY}], [], ("05-10", "05-10", None)),
    "another rebate": ({"rebate_type": "SUPPLEMENTAL"}, [{"postmark_date": MAY}], [], None),
    "no rebate type is federal": ({}, [{"rebate_type": "FEDERAL", "postmark_date": MAY}], [], ("05-10", "05-10", None)),
    "public data": ({}, [{"source_kind": "SDUD", "postmark_date": MAY}], [], None),
    "a contract": (COMMERCIAL, [], [TERM | {"dispute_days": 180}], (None, None, 180)),
    "contracts that disagree": (
        COMMERCIAL,
        [],
        [TERM | {"contract_id": "A", "dispute_days": 180}, TERM | {"contract_id": "B", "dispute_days": 90}],
        (None, None, 90),
    ),
    "the contract that it names": (
        COMMERCIAL | {"contract_id": "A"},
        [],
        [TERM | {"contract_id": "A", "dispute_days": 180}, TERM | {"contract_id": "B", "dispute_days": 90}],
        (None, None, 180),
    ),
    "a contract of before": (COMMERCIAL, [], [TERM | {"dispute_days": 90, "end_date": "2025-02-10"}], None),
    "a contract without a term": (COMMERCIAL, [], [TERM], None),
    "a contract of another payer": (COMMERCIAL, [], [TERM | {"payer_id": "PBM2", "dispute_days": 90}], None),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, Row]:
    rows, lines, terms = [], [], []
    for number, (name, (fields, billed, contracts, _)) in enumerate(CASES.items()):
        rows += [apart(number, claim("c", **fields)) | {"source_row_id": name}]
        lines += [apart(number, invoice(f"{name} {place}", **line)) for place, line in enumerate(billed)]
        lines = [{**line, "source_row_id": f"{place}"} for place, line in enumerate(lines)]
        terms += apart(number, contracts)
    tables = invoices(spark, lines), reference(spark, "rebate_contracts", *terms)
    return {row["source_row_id"]: row for row in deadlines_of_claims(claims(spark, rows), *tables).collect()}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, found: dict[str, Row]) -> None:
    *_, expected = CASES[name]
    if expected is None:
        assert name not in found
        return
    *days, term = expected
    names = ("invoice_postmark_date", "invoice_sent_on", "contract_dispute_days")
    dates = [day and date.fromisoformat(f"2025-{day}") for day in days]
    assert [found[name][fact] for fact in names] == [*dates, term]


def test_without_tables_nothing_is_known(spark: SparkSession) -> None:
    assert deadlines_of_claims(claims(spark, [claim("a")]), None, None) is None
