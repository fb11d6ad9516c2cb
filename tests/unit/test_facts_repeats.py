"""Dispenses asked for under two open ICNs or by two kinds of payers; rows taken back; invoiced units beside others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from engine.facts import (
    billed_elsewhere,
    corrected_down,
    duplicates,
    flags_340b,
    invoice_facts,
    states_without_identifiers,
    taken_back,
    unbilled,
)
from engine.facts.settlements import with_line_settlements
from tests.unit.facts_rows import NDC, apart, claim, claims, invoice, invoices, reference

AS_OF = date(2026, 4, 1)


def invoiced(name: str, ndc_units: str, day: int = 1, **fields: Any) -> dict[str, Any]:
    return claim(name, ndc_units=ndc_units, received_at=datetime(2025, 4, day, tzinfo=UTC), **fields)


def pbm(name: str, day: int = 1, **fields: Any) -> dict[str, Any]:
    of_pbm = {"program": "COMMERCIAL", "payer_id": "PBM", "state": None, "ndc_units": "30"}
    return claim(name, received_at=datetime(2025, 4, day, tzinfo=UTC), **(of_pbm | fields))


def mfp(name: str, icn: str, day: int = 1, **fields: Any) -> dict[str, Any]:
    received = {"received_at": datetime(2026, 3, day, tzinfo=UTC)}
    return claim(name, program="MFP", payer_id="MTF", state=None, mtf_icn=icn, **received, **fields)


def other(name: Any, program: Any = "COMMERCIAL", day: Any = 1, **fields: Any) -> Any:
    return claim(name, program=program, payer_id="PBM", received_at=datetime(2025, 5, day, tzinfo=UTC), **fields)


TAKEN_BACK = {  # claims, {row: (rule, earlier rows, units at issue)}
    "nothing": (
        [invoiced("a", "30"), invoiced("b", "30", 2), invoiced("c", "30", 3)],
        {"b": ("R016", ["a"], 30), "c": ("R016", ["b", "a"], 30)},
    ),
    "all before it was asked again": ([invoiced("a", "30"), invoiced("b", "-30", 2), invoiced("c", "30", 3)], {}),
    "all after it was asked again": ([invoiced("a", "30"), invoiced("b", "30", 2), invoiced("c", "-30", 3)], {}),
    "a part": (
        [invoiced("a", "30"), invoiced("b", "-10", 2), invoiced("c", "30", 3)],
        {"c": ("R016", ["a"], 30)},
    ),
    "a part of the one that repeats": (
        [invoiced("a", "30"), invoiced("b", "30", 2), invoiced("c", "-10", 3)],
        {"b": ("R016", ["a"], 20)},
    ),
    "more than was asked": ([invoiced("a", "30"), invoiced("b", "-90", 2), invoiced("c", "30", 3)], {}),
    "before anything was asked": (
        [invoiced("a", "-30"), invoiced("b", "30", 2), invoiced("c", "30", 3)],
        {"c": ("R016", ["b"], 30)},
    ),
    "one of three": (
        [invoiced("a", "30"), invoiced("b", "30", 2), invoiced("c", "30", 3), invoiced("d", "-30", 4)],
        {"b": ("R016", ["a"], 30)},
    ),
    "by the other program": (
        [invoiced("a", "30", program="MDRP_MCO"), invoiced("b", "-30", 2, program="MDRP_MCO"), invoiced("c", "30", 3)],
        {},
    ),
    "in another period": (
        [invoiced("a", "30"), invoiced("b", "30", 2, period="2025Q2"), invoiced("c", "-30", 3, period="2025Q3")],
        {},
    ),
    "of another contract": (
        [pbm("a", contract_id="C1"), pbm("b", 2, contract_id="C1"), pbm("c", 3, contract_id="C2", ndc_units="-30")],
        {"b": ("R016", ["a"], 30)},
    ),
    "of another rebate": (
        [invoiced("a", "30"), invoiced("b", "-30", 2, rebate_type="SUPPLEMENTAL"), invoiced("c", "30", 3)],
        {"c": ("R016", ["a"], 30)},
    ),
    "nothing was asked": ([invoiced("a", "0"), invoiced("b", "30", 2)], {}),
    "HCPCS units not converted": (
        [invoiced("a", None, units="3"), invoiced("b", None, 2, units="-1"), invoiced("c", None, 3, units="3")],
        {"c": ("R016", ["a"], 3)},
    ),
    # outside Medicaid, and what is compared at all
    "one PBM twice": ([pbm("a"), pbm("b", 2, rebate_type="BASE")], {"b": ("R016", ["a"], 30)}),
    "two PBMs, with the nearest of its own": (
        [pbm("a"), pbm("b", 2, payer_id="PBM2"), pbm("c", 3)],
        {"b": ("R018", ["a"], 30), "c": ("R016", ["a", "b"], 30)},
    ),
    "commercial and Part D of one payer": ([pbm("a"), pbm("b", 2, program="PARTD")], {"b": ("R017", ["a"], 30)}),
    "two contracts of one payer": ([pbm("a", contract_id="C1"), pbm("b", 2, contract_id="C2")], {}),
    "contracts of two payers": (
        [pbm("a", contract_id="C1"), pbm("b", 2, contract_id="C2", payer_id="PBM2")],
        {"b": ("R018", ["a"], 30)},
    ),
    "two rebates of one contract": ([pbm("a"), pbm("b", 2, rebate_type="PRICE_PROTECTION")], {}),
    "the federal rebate goes without saying": (
        [invoiced("a", "30"), invoiced("b", "30", 2, program="MDRP_MCO", rebate_type="FEDERAL")],
        {"b": ("R017", ["a"], 30)},
    ),
    "the nearest is of the same program and period": (
        [
            invoiced("a", "30"),
            invoiced("b", "30", 2, state="AL"),
            invoiced("c", "30", 3, program="MDRP_MCO"),
            invoiced("d", "30", 4, period="2025Q2"),
            invoiced("e", "30", 5),
        ],
        {
            "b": ("R018", ["a"], 30),
            "c": ("R017", ["a", "b"], 30),
            "d": ("R019", ["a", "c", "b"], 30),
            "e": ("R016", ["a", "d", "c", "b"], 30),
        },
    ),
}
ICNS = {  # claims, {row: earlier rows}
    "two open": ([mfp("a", "1"), mfp("b", "2", 2), mfp("c", "3", 3)], {"b": ["a"], "c": ["b", "a"]}),
    "the same once more": ([mfp("a", "1"), mfp("b", "1", 2)], {}),
    "named": ([mfp("a", "1"), mfp("b", "2", 2, mtf_xref_icn="1", mtf_transaction_code="002")], {}),
    "corrected under another product and day": (
        [
            mfp("a", "1"),
            mfp("b", "2", 2),
            mfp("c", "3", 3, mtf_xref_icn="1", ndc11="00002000102", date_of_service="2025-02-11"),
        ],
        {},
    ),
    "named by a third": ([mfp("a", "1"), mfp("b", "2", 2), mfp("c", "3", 3, mtf_xref_icn="1")], {"c": ["b"]}),
    "reversed": ([mfp("a", "1", mtf_transaction_code="003"), mfp("b", "2", 2)], {}),
    "no number": ([mfp("a", None), mfp("b", "2", 2)], {}),
    "another fill": ([mfp("a", "1"), mfp("b", "2", 2, fill_number=1)], {}),
    "the two parts of a fill": (
        [mfp("a", "1", dispensing_status="P"), mfp("b", "2", 2, dispensing_status="C"), mfp("c", "3", 3)],
        {"c": ["b", "a"]},
    ),
    "a part and what came before the other": (
        [mfp("a", "1"), mfp("b", "2", 2, dispensing_status="P"), mfp("c", "3", 3, dispensing_status="C")],
        {"b": ["a"], "c": ["a"]},
    ),
    "taken back": ([mfp("a", "1"), mfp("b", "1", 2, ndc_units="-30"), mfp("c", "2", 3)], {}),
    "a notice of withdrawal takes nothing back": (
        [mfp("a", "1"), mfp("b", "2", 2), mfp("c", "9", 3, mtf_xref_icn="1", mtf_transaction_code="005")],
        {"b": ["a"]},
    ),
    "no contract parts two refunds": (
        [mfp("a", "1", contract_id="C1"), mfp("b", "2", 2, rebate_type="BASE")],
        {"b": ["a"]},
    ),
    "reversed by units below zero": (
        [
            mfp("a", "1"),
            mfp("b", "1", 2, ndc_units="-30", mtf_transaction_code="003"),
            mfp("c", "2", 3),
            mfp("d", "3", 4),
        ],
        {"d": ["c"]},
    ),
    "reversed by its ICN, whatever came last": (
        [
            mfp("a", "1"),
            mfp("b", "2", 2),
            mfp("c", "9", 3, ndc_units="-30", mtf_transaction_code="003", mtf_xref_icn="1"),
            mfp("d", "3", 4),
        ],
        {"d": ["b"]},
    ),
    "taken back without an ICN": ([mfp("a", "1"), mfp("b", None, 2, ndc_units="-30"), mfp("c", "2", 3)], {}),
}
ELSEWHERE = {  # claims, {row: (program, row, whether Medicaid paid the rest)} of the later one
    "Medicaid, then a PBM": (
        [claim("a", amount_third_party="0"), other("b", amount_third_party="9")],
        {"b": ("MDRP_FFS", "a", False)},
    ),
    "a PBM, then Medicaid": (
        [other("a"), claim("b", amount_third_party="5", received_at=datetime(2025, 6, 1, tzinfo=UTC))],
        {"b": ("COMMERCIAL", "a", True)},
    ),
    "what others paid is not known": ([claim("a"), other("b", "PARTD")], {"b": ("MDRP_FFS", "a", None)}),
    "taken back by Medicaid": ([claim("a"), claim("b", ndc_units="-30"), other("c")], {}),
    "one rebate taken back of two": (
        [
            claim("a", rebate_type="FEDERAL"),
            claim("b", rebate_type="SUPPLEMENTAL"),
            claim("c", rebate_type="SUPPLEMENTAL", ndc_units="-30"),
            other("d"),
        ],
        {"d": ("MDRP_FFS", "a", None)},
    ),
    "two of Medicaid": ([claim("a"), claim("b", program="MDRP_MCO")], {}),
    "two of others": ([other("a"), other("b", "PARTD", 2)], {}),
    "another contract and rebate type": (
        [claim("a", rebate_type="FEDERAL"), other("b", rebate_type="BASE", contract_id="C1")],
        {"b": ("MDRP_FFS", "a", None)},
    ),
    "another day": ([claim("a"), other("b", date_of_service="2025-02-11")], {}),
    "medical, under one claim number": (
        [claim("a", claim_type="MEDICAL", hcpcs_code="J1234"), other("b", claim_type="MEDICAL", hcpcs_code="J1234")],
        {"b": ("MDRP_FFS", "a", None)},
    ),
    "medical, under two claim numbers": (
        [
            claim("a", claim_type="MEDICAL", hcpcs_code="J1234", script_key="1"),
            other("b", claim_type="MEDICAL", hcpcs_code="J1234", script_key="2"),
        ],
        {},
    ),
    "the two parts of a fill": ([claim("a", dispensing_status="P"), other("b", dispensing_status="C")], {}),
    "a refund": ([claim("a"), mfp("b", "1", mtf_transaction_code="001")], {"b": ("MDRP_FFS", "a", None)}),
    "a reversal of a refund": ([claim("a"), mfp("b", "1", mtf_transaction_code="003")], {}),
    "a refund that another's credit names": (
        [
            mfp("a", "1"),
            mfp("b", "2", 2, ndc_units="-30", mtf_transaction_code="003", mtf_xref_icn="9"),
            claim("c", received_at=datetime(2026, 4, 1, tzinfo=UTC)),
        ],
        {"c": ("MFP", "a", None)},
    ),
    "a part, and the whole before its rest": (
        [
            claim("a"),
            claim("b", dispensing_status="P", received_at=datetime(2025, 4, 1, tzinfo=UTC)),
            other("c", dispensing_status="C", day=2),
        ],
        {"c": ("MDRP_FFS", "a", None)},
    ),
}


@pytest.fixture(scope="module")
def feed(spark: SparkSession) -> DataFrame:
    """The claims of all cases, each case with a pharmacy and product of its own."""
    cases = [rows for rows, _ in (*ICNS.values(), *ELSEWHERE.values(), *TAKEN_BACK.values())]
    rows = [
        apart(number, row) | {"source_row_id": f"{number}/{row['source_row_id']}"} | icns_apart(number, row)
        for number, own in enumerate(cases)
        for row in own
    ]
    return claims(spark, rows, partitions=3).localCheckpoint()


def icns_apart(number: int, row: dict[str, Any]) -> dict[str, str]:
    """ICNs are told apart by themselves."""
    return {name: f"{number}/{row[name]}" for name in ("mtf_icn", "mtf_xref_icn") if row.get(name)}


def expected(
    cases: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]], first: int, value: Callable[..., Any]
) -> dict[str, Any]:
    return {
        f"{number}/{row}": value(number, told)
        for number, (_, found) in enumerate(cases.values(), first)
        for row, told in found.items()
    }


def test_what_lines_below_zero_take_back_is_not_asked_for(feed: DataFrame) -> None:
    found = {
        row["source_row_id"]: (
            row["duplicate_rule"],
            row["duplicate_source_row_ids"],
            row["duplicate_units_at_issue"],
        )
        for row in duplicates(feed).collect()
    }
    first = len(ICNS) + len(ELSEWHERE)
    told = expected(TAKEN_BACK, first, lambda number, told: (told[0], [f"{number}/{row}" for row in told[1]], told[2]))
    assert {row: of for row, of in found.items() if int(row.partition("/")[0]) >= first} == told


def test_an_open_icn_repeats_earlier_open_ones_of_its_dispense(feed: DataFrame) -> None:
    found = {
        row["source_row_id"]: row["duplicate_source_row_ids"]
        for row in duplicates(feed).where("duplicate_rule = 'R012'").collect()
    }
    assert found == expected(ICNS, 0, lambda number, rows: [f"{number}/{row}" for row in rows])


def test_medicaid_and_another_payer_ask_for_one_prescription(feed: DataFrame) -> None:
    found = {
        row["source_row_id"]: (
            row["elsewhere_program"],
            row["elsewhere_source_row_id"],
            row["elsewhere_is_secondary"],
        )
        for row in billed_elsewhere(feed).collect()
    }
    assert found == expected(ELSEWHERE, len(ICNS), lambda number, told: (told[0], f"{number}/{told[1]}", told[2]))


def test_claims_stand_behind_a_line_of_their_rebate_type_and_sub_program(spark: SparkSession) -> None:
    feed = [
        claim("federal", rebate_type="FEDERAL", ndc_units="300", sub_program="XIX"),
        claim("no type", ndc_units="100", sub_program="XIX"),
        claim("expansion", ndc_units="70", sub_program="EXPANSION"),
        claim("no sub-program", ndc_units="30"),
        claim("supplemental", rebate_type="SUPPLEMENTAL", ndc_units="500"),
        claim("managed care", program="MDRP_MCO", ndc_units="900"),
        claim("later", period="2025Q2", ndc_units="900"),
    ]
    lines = [  # what is said of the line, units and lines of its claims
        ({}, (500, 4)),
        ({"rebate_type": "FEDERAL"}, (500, 4)),
        ({"rebate_type": "FEDERAL", "sub_program": "XIX"}, (430, 3)),
        ({"sub_program": "EXPANSION"}, (100, 2)),
        ({"sub_program": "CHIP_MEDICAID"}, (30, 1)),
        ({"rebate_type": "SUPPLEMENTAL"}, (500, 1)),
        ({"rebate_type": "SUPPLEMENTAL", "sub_program": "XIX"}, (500, 1)),
        ({"rebate_type": "FEE"}, (0, 0)),
        ({"line_kind": "PRIOR_REPLACEMENT"}, (500, 4)),
        ({"line_kind": "PRIOR_DELTA"}, (None, None)),
    ]
    rows = [invoice(str(number), units_reimbursed="1000", **said) for number, (said, _) in enumerate(lines)]
    facts = invoice_facts(invoices(spark, rows), claims(spark, feed), {}, AS_OF).collect()
    found = {row["source_row_id"]: row for row in facts}
    assert len(facts) == len(lines)
    for number, (said, behind) in enumerate(lines):
        row = found[str(number)]
        assert (row["claim_units"], row["claim_lines"]) == behind, said
        gap = None if behind[0] is None else (1000 - behind[0]) / 1000
        assert row["f50_invoice_to_claims_gap"] == gap, said


def test_differences_below_zero_take_units_back_from_the_totals_of_their_key(spark: SparkSession) -> None:
    lines = [  # a line, and what is taken back from it
        ({}, 37),
        ({"sub_program": "XIX"}, 30),
        ({"sub_program": "EXPANSION"}, 37),
        ({"rebate_type": "SUPPLEMENTAL"}, 0),
        ({"program": "MDRP_MCO"}, 0),
        ({"period": "2025Q2"}, 0),
        ({"line_kind": "PRIOR_DELTA", "units_reimbursed": "-30"}, None),
        ({"line_kind": "PRIOR_DELTA", "sub_program": "EXPANSION", "units_reimbursed": "-7"}, None),
        ({"line_kind": "PRIOR_DELTA", "units_reimbursed": "50"}, None),
        ({"line_kind": "PRIOR_DELTA", "source_kind": "SDUD", "units_reimbursed": "-500"}, None),
    ]
    rows = [invoice(str(n), **({"units_reimbursed": "1000"} | said)) for n, (said, _) in enumerate(lines)]
    facts = invoice_facts(invoices(spark, rows), claims(spark, [claim("one", ndc_units="10")]), {}, AS_OF).collect()
    found = {row["source_row_id"]: row["units_taken_back"] for row in facts}
    assert found == {str(number): taken_back for number, (_, taken_back) in enumerate(lines)}


UNREAD = """
what is unread of a row | program  | state | ndc11 | period | units || may stand behind
nothing but its day     | MDRP_FFS | GA    | own   | 2025Q1 | 10    || line
its units too           | MDRP_FFS | GA    | own   | 2025Q1 | -     || line
its state               | MDRP_FFS | -     | own   | 2025Q1 | 100   || line, elsewhere
its period              | MDRP_FFS | GA    | own   | -      | 1000  || line, later
its state and period    | MDRP_FFS | -     | own   | -      | 20    || line, elsewhere, later
its product             | MDRP_FFS | GA    | -     | 2025Q1 | 200   || line, product
its program             | -        | GA    | own   | 2025Q1 | 2000  || line, managed care
all of it               | -        | -     | -     | -      | 1     || line, elsewhere, later, product, managed care
of another program      | PARTD    | GA    | own   | 2025Q1 | 500   ||
"""


def test_quarantined_claims_may_stand_behind_every_line_that_they_could_belong_to(spark: SparkSession) -> None:
    lines = {
        "line": {},
        "elsewhere": {"state": "AL"},
        "later": {"period": "2025Q2"},
        "product": {"ndc11": "00002143381"},
        "managed care": {"program": "MDRP_MCO"},
        "a difference": {"line_kind": "PRIOR_DELTA"},
    }
    rows, behind = [], {name: [] for name in lines}
    for text in UNREAD.strip().splitlines()[1:]:
        left, right = text.split("||")
        _, *values = (cell.strip() for cell in left.split("|"))
        program, state, ndc11, period, units = (None if value == "-" else value for value in values)
        rows.append((program, state, NDC if ndc11 else None, period, units and Decimal(units), False))
        for name in (name.strip() for name in right.split(",") if name.strip()):
            behind[name].append(int(units or 0))
    schema = "program string, state string, ndc11 string, period string, units decimal(15,3), takes_back boolean"
    unread = spark.createDataFrame(rows, schema)
    billed = invoices(spark, [invoice(name, units_reimbursed="9000", **said) for name, said in lines.items()])
    facts = {row["source_row_id"]: row for row in invoice_facts(billed, claims(spark, []), {}, AS_OF, unread).collect()}
    found = {name: (row["quarantined_claim_lines"], row["quarantined_claim_units"]) for name, row in facts.items()}
    expected = {name: (len(units), sum(units)) for name, units in behind.items()}
    assert found == {**expected, "a difference": (None, None)}
    assert facts["line"]["f50_invoice_to_claims_gap"] is None
    without = {row["source_row_id"]: row for row in invoice_facts(billed, claims(spark, []), {}, AS_OF).collect()}
    assert (without["line"]["quarantined_claim_lines"], without["line"]["f50_invoice_to_claims_gap"]) == (0, 1.0)


def test_units_are_compared_over_four_quarters_with_those_sold_into_the_state(spark: SparkSession) -> None:
    rows = [
        invoice("now", units_reimbursed="500"),
        invoice("managed care", program="MDRP_MCO", units_reimbursed="300"),
        invoice("before", period="2024Q2", line_kind="PRIOR_REPLACEMENT", units_reimbursed="200"),
        invoice("long before", period="2024Q1", units_reimbursed="7000"),
        invoice("added", line_kind="PRIOR_DELTA", units_reimbursed="300", rebate_type="FEDERAL"),
        invoice("taken", line_kind="PRIOR_DELTA", units_reimbursed="-400"),
        invoice("taken of no total", period="2024Q3", line_kind="PRIOR_DELTA", units_reimbursed="-100"),
        invoice("withheld", line_kind="PRIOR_DELTA", units_reimbursed="9000", suppressed=True),
        invoice("public", source_kind="SDUD", units_reimbursed="500"),
        invoice("elsewhere", state="AL", units_reimbursed="500"),
    ]
    sold = [
        {"ndc11": NDC, "state": "GA", "period": "2025Q1", "units": "300", "source": "867"},
        {"ndc11": NDC, "state": "GA", "period": "2024Q2", "units": "200"},
        {"ndc11": NDC, "state": "GA", "period": "2024Q1", "units": "70"},
    ]
    sales = {"sales": reference(spark, "sales", *sold)}
    facts = invoice_facts(invoices(spark, rows), None, sales, AS_OF).collect()
    names = ("units_invoiced_in_state", "share_of_units_in_state", "units_sold_in_state", "f49_invoice_vs_sales")
    found = {row["source_row_id"]: tuple(row[name] for name in names) for row in facts}
    # 2025Q1: 500 + 300 - 400 of one total, of which the lines above zero hold 5/8 and 3/8; 300 of managed care
    assert found == {
        "now": (800, pytest.approx(250 / 900), 500, 1.6),
        "managed care": (800, pytest.approx(300 / 900), 500, 1.6),
        "before": (7200, pytest.approx(200 / 7200), 270, pytest.approx(7200 / 270)),
        "long before": (7000, 1, 70, 100),
        "added": (800, pytest.approx(150 / 900), 500, 1.6),
        "taken": (800, 0, 500, 1.6),
        "taken of no total": (7100, None, 270, pytest.approx(7100 / 270)),
        "withheld": (800, 0, 500, 1.6),
        "public": (500, 1, 500, 1),
        "elsewhere": (500, 1, None, None),
    }


def test_lines_are_settled_before_they_were_received_or_since(spark: SparkSession) -> None:
    def line(row_id: str, **fields: Any) -> dict[str, str]:
        return invoice(row_id, units_reimbursed="100", **fields)

    rows = [
        line("received", invoice_number="I1", postmark_date="2025-05-01", received_date="2025-05-03"),
        line("stamped", invoice_number="I2", postmark_date="2025-05-02"),
        line("not known when", invoice_number="I3"),
        line("of another quarter", period="2024Q4", received_date="2025-05-03"),
    ]
    of_all = {"program": "MDRP_FFS", "state": "GA", "ndc11": NDC, "period": "2025Q1", "kind": "STATE_CREDIT"}
    settled = [
        of_all | {"settled_on": "2025-05-02", "units": "30"},
        of_all | {"settled_on": "2025-05-04", "units": "5", "kind": "ENTITY_REPAID", "invoice_number": "I1"},
        of_all | {"settled_on": "2025-05-04", "units": "7", "claim_id": "71"},
        of_all | {"settled_on": "2025-05-04", "units": "9", "kind": "DISPUTED"},
        of_all | {"settled_on": str(AS_OF + timedelta(days=1)), "units": "11"},
    ]
    settlements = {"settlements": reference(spark, "settlements", *settled)}
    facts = invoice_facts(invoices(spark, rows), None, settlements, AS_OF).collect()
    assert {row["source_row_id"]: (row["settled_units"], row["settled_since_units"]) for row in facts} == {
        "received": (30, 5),
        "stamped": (None, 30),
        "not known when": (None, None),  # what was credited once is not asked for again twice
        "of another quarter": (None, None),
    }


def test_units_that_are_taken_back_are_known_of_every_claim(spark: SparkSession) -> None:
    feed = [
        *(invoiced("a", "30"), invoiced("b", "-10", 2), invoiced("c", "30", 3, rx_number="2", script_key="2")),
        *(pbm("d", script_key="3"), pbm("e", 2, ndc_units="-30", script_key="3", period="2025Q2")),
        *(mfp("f", "1", script_key="4"), mfp("g", "2", 2, ndc_units="-90", script_key="4")),
    ]
    found = {row["source_row_id"]: row["taken_back_units"] for row in taken_back(claims(spark, feed)).collect()}
    assert found == {"a": 10, "d": 30, "f": 30}


def test_claims_that_no_line_of_a_received_invoice_bills(spark: SparkSession) -> None:
    lines = [
        invoice("i1", state="GA", period="2025Q1"),
        invoice("i2", state="GA", period="2025Q1", ndc11="00002000102", rebate_type="SUPPLEMENTAL"),
        invoice("i3", state="AL", period="2025Q1", source_kind="SDUD"),
    ]
    feed = [
        claim("billed", ndc_units="30"),
        claim("of another rebate", ndc_units="30", rebate_type="SUPPLEMENTAL"),
        claim("of another product", ndc_units="30", ndc11="00002000102", rebate_type="FEDERAL"),
        claim("supplemental", ndc_units="30", ndc11="00002000102", rebate_type="SUPPLEMENTAL"),
        claim("a credit", ndc_units="-30", ndc11="00002000103"),
        claim("no invoice of its period", ndc_units="30", period="2025Q2"),
        claim("no invoice of its program", ndc_units="30", program="MDRP_MCO"),
        claim("no invoice of its state", ndc_units="30", state="AL", payer_id="AL"),
        claim("not Medicaid", ndc_units="30", program="COMMERCIAL", ndc11="00002000103"),
    ]
    found = unbilled(claims(spark, feed), invoices(spark, lines)).collect()
    assert {row["source_row_id"]: row["unbilled_invoice_lines"] for row in found} == {
        "of another rebate": 1,
        "of another product": 1,
    }


def test_a_settlement_of_a_line_is_used_up_once(spark: SparkSession) -> None:
    """Credits of 1,000 units: on the line of their own sub-program and rebate type, CURRENT first, and no other."""
    rows = [
        invoice("fed xix", sub_program="XIX", units_reimbursed="1000", received_date="2025-05-01"),
        invoice("fed expansion", sub_program="EXPANSION", units_reimbursed="300", received_date="2025-05-01"),
        invoice("fed chip", sub_program="CHIP_MEDICAID", units_reimbursed="200", received_date="2025-05-01"),
        invoice("supplemental", rebate_type="SUPPLEMENTAL", units_reimbursed="1000", received_date="2025-05-01"),
        invoice("prior", sub_program="XIX", line_kind="PRIOR_DELTA", units_reimbursed="50", received_date="2025-05-01"),
    ]
    credit = {"program": "MDRP_FFS", "state": "GA", "ndc11": NDC, "period": "2025Q1", "kind": "STATE_CREDIT"}
    credit |= {"settled_on": "2025-06-01"}
    settled = {
        "of a sub-program": ({"sub_program": "XIX", "units": "1020"}, {"fed xix": 1000, "prior": 20}),
        "of no sub-program": ({"units": "1400"}, {"fed xix": 1000, "fed expansion": 300, "fed chip": 100}),
        "of a rebate type": ({"rebate_type": "SUPPLEMENTAL", "units": "400"}, {"supplemental": 400}),
        "of another rebate type": ({"rebate_type": "BASE", "units": "400"}, {}),
    }
    cases = {name: ([], {"settlements": [credit | more]}) for name, (more, _) in settled.items()}
    lines, tables = [], []
    for number, (name, (_, own)) in enumerate(cases.items()):
        lines += [apart(number, row) | {"source_row_id": f"{name}/{row['source_row_id']}"} for row in rows]
        tables += apart(number, own["settlements"])
    found = with_line_settlements(invoices(spark, lines), reference(spark, "settlements", *tables), AS_OF).where(
        "settlement.settled_since_units > 0"
    )
    got = {row["source_row_id"]: row["settlement"]["settled_since_units"] for row in found.collect()}
    assert got == {
        f"{name}/{row_id}": units for name, (_, expected) in settled.items() for row_id, units in expected.items()
    }


def test_identifiers_are_as_sure_as_the_surest_row_that_knows_them(spark: SparkSession) -> None:
    identifiers = reference(
        spark,
        "identifiers_340b",
        {"field": "SCC", "value": "20", "begin_date": "2012-01-01", "confidence": "HIGH"},
        {"state": "GA", "claim_type": "RX", "field": "BOC", "value": "08", "confidence": "LOW"},
        {
            "state": "GA",
            "claim_type": "RX",
            "field": "BOC",
            "value": "09",
            "begin_date": "2020-01-01",
            "confidence": "LOW",
        },
        {"state": "GA", "claim_type": "MEDICAL", "field": "MODIFIER", "value": "UD", "confidence": "HIGH"},
        {"state": "AL", "claim_type": "MEDICAL", "field": "MODIFIER", "value": "U8", "begin_date": "2020-01-01"},
    )
    medical = {"claim_type": "MEDICAL", "hcpcs_code": "J1234"}
    feed = [
        claim("national", submission_clarification_codes="5|20", basis_of_cost="08"),
        claim("low and undated", basis_of_cost="08"),
        claim("low", basis_of_cost="09"),
        claim("undated", modifiers="25|UD", **medical),
        claim("of another state", modifiers="U8", **medical),
        claim("without confidence", modifiers="U8", state="AL", payer_id="AL", **medical),
        claim("not marked"),
        claim("of a state without rows", state="TN", payer_id="TN"),
    ]
    rows = claims(spark, feed)
    found = {row["source_row_id"]: tuple(row)[1:4] for row in flags_340b(rows, identifiers).collect()}
    assert found == {
        "national": (["BOC 08", "SCC 20"], True, True),
        "low and undated": (["BOC 08"], False, False),
        "low": (["BOC 09"], False, True),
        "undated": (["MODIFIER UD"], True, False),
        "without confidence": (["MODIFIER U8"], True, True),
    }
    assert states_without_identifiers(rows, identifiers) == {"RX": ["TN"]}


def test_differences_that_correct_a_line_downward_are_known_of_its_claims(spark: SparkSession) -> None:
    lines = [
        invoice("i1", line_kind="CURRENT", units_reimbursed="-5"),
        invoice("i2", line_kind="PRIOR_DELTA", units_reimbursed="-30", invoice_number="2"),
        invoice("i3", line_kind="PRIOR_DELTA", units_reimbursed="-10", invoice_number="3", rebate_type="FEDERAL"),
        invoice("i4", line_kind="PRIOR_DELTA", units_reimbursed="90", invoice_number="4"),
        invoice("i5", line_kind="PRIOR_DELTA", units_reimbursed="-90", rebate_type="SUPPLEMENTAL"),
        invoice("i6", line_kind="PRIOR_DELTA", units_reimbursed="-90", period="2025Q2"),
    ]
    feed = [claim("own", ndc_units="30"), claim("of another program", ndc_units="30", program="MDRP_MCO")]
    found = corrected_down(claims(spark, feed), invoices(spark, lines)).collect()
    assert {row["source_row_id"]: row["corrected_down_units"] for row in found} == {"own": 40}


def test_a_line_s_own_past_is_of_its_sub_program_and_rebate_type_and_knows_no_future(spark: SparkSession) -> None:
    quarters = [f"{year}Q{quarter}" for year in (2023, 2024, 2025) for quarter in (1, 2, 3, 4)]
    lines = []
    for place, period in enumerate(quarters):
        xix = "9000" if place < 2 else "3000" if place == 11 else "1000"
        lines.append(invoice(f"xix {period}", period=period, sub_program="XIX", units_reimbursed=xix))
        lines.append(invoice(f"chip {period}", period=period, sub_program="CHIP_MEDICAID", units_reimbursed="20"))
        supplemental = {"sub_program": "XIX", "rebate_type": "SUPPLEMENTAL"}
        lines.append(invoice(f"sup {period}", period=period, units_reimbursed="50", **supplemental))
    facts = invoice_facts(invoices(spark, lines), None, {}, AS_OF).collect()
    found = {row["source_row_id"]: (row["f46_units_to_own_median"], row["own_past_quarters"]) for row in facts}
    assert found["xix 2023Q1"] == (1.0, 1)
    assert found["xix 2025Q4"] == (3.0, 8)  # the quarters of 9,000 lie further back than eight
    assert found["chip 2025Q4"] == found["sup 2025Q4"] == (1.0, 8)


def test_a_correction_by_difference_is_no_quarter_of_a_line(spark: SparkSession) -> None:
    lines = [
        invoice(period, period=period, units_reimbursed="1000", prescriptions=10, total_amount="5000.00")
        for period in ("2025Q1", "2025Q2")
    ]
    for place in range(3):
        by_difference = {"line_kind": "PRIOR_DELTA", "units_reimbursed": "10", "prescriptions": 10}
        number = {"invoice_number": str(place), "total_amount": "1.00"}
        lines.append(invoice(f"by {place}", period="2025Q1", **by_difference, **number))
    facts = {row["source_row_id"]: row for row in invoice_facts(invoices(spark, lines), None, {}, AS_OF).collect()}
    to_own = (
        "f46_units_to_own_median",
        "units_per_prescription_to_own_median",
        "paid_per_unit_to_own_median",
    )
    assert [facts["2025Q2"][name] for name in to_own] == [1.0, 1.0, 1.0]
    own = (*to_own, "f47_units_per_prescription", "f48_paid_per_unit")
    assert [facts["by 0"][name] for name in own] == [None] * 5
