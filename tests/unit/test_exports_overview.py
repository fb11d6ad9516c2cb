"""What the report says beyond one run: volumes against earlier quarters, precision of rules, dollars by subject."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from engine.contracts.codes import Subject
from engine.exports import ANSWERED, SAMPLED, Amounts, Overview, Precision, Volume, volumes
from engine.exports.report import report_page
from engine.exports.totals import AGES, Group, SubjectTotals, Sum, Totals
from engine.pipeline.overview import add_up_amounts
from engine.settings import ReportSettings
from tests.unit.exports_rows import FACTS, finding

SETTINGS = ReportSettings()
AS_OF = date(2026, 9, 30)  # 2026Q3 is still going on and claims of 2026Q2 are still coming in: 2026Q1 is complete


def of(rows: dict[str, int], feed: str = "rebate_claims", source: str = "MDRP_FFS KY") -> list[tuple[Any, ...]]:
    return [(feed, source, quarter, n) for quarter, n in rows.items()]


BEFORE = {"2025Q1": 90, "2025Q2": 100, "2025Q3": 110, "2025Q4": 100}


@pytest.mark.parametrize(
    ("latest", "change"), [(79, -0.21), (121, 0.21), (80, None), (120, None), (100, None), (None, -1.0)]
)
def test_a_source_that_sends_a_fifth_more_or_less_than_before_is_reported(
    latest: int | None, change: float | None
) -> None:
    rows = BEFORE | ({} if latest is None else {"2026Q1": latest})
    found, compared = volumes(of(rows), AS_OF, SETTINGS)
    assert compared == 1
    assert [round(one.change, 9) for one in found] == ([] if change is None else [change])
    assert all((one.period, one.usual) == ("2026Q1", 100) for one in found)


def test_quarters_in_which_rows_still_come_in_are_no_drop() -> None:
    found, _ = volumes(of(BEFORE | {"2026Q1": 100, "2026Q2": 12, "2026Q3": 1}), AS_OF, SETTINGS)
    assert found == []


def test_only_the_four_quarters_before_say_what_is_usual_and_small_sources_are_not_compared() -> None:
    found, _ = volumes(of({"2024Q4": 5_000, **BEFORE, "2026Q1": 100}), AS_OF, SETTINGS)
    assert found == []
    assert volumes(of({"2025Q4": 49, "2026Q1": 5}), AS_OF, SETTINGS) == ([], 0)
    assert volumes(of({"2025Q4": 50, "2026Q1": 5}), AS_OF, SETTINGS)[1] == 1


def test_the_interval_of_a_precision_is_wilsons() -> None:
    # 8 of 10: the textbook's example
    low, high = Precision("R003", ANSWERED, 8, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert Precision("R003", ANSWERED, 0, 5).interval[0] == 0
    assert Precision("R003", ANSWERED, 5, 5).interval[1] == 1


def test_dollars_are_counted_by_subject_and_recovered_ones_come_from_answers_alone() -> None:
    claim, line = (
        {"subject": subject, "unit_price_used": price}
        for subject, price in (("REBATE_CLAIM", Decimal("2.50")), ("INVOICE", None))
    )
    sent = [
        {"finding_id": "c", "units": Decimal(30)},
        {"finding_id": "i", "units": Decimal(100)},
        {"finding_id": "gone", "units": Decimal(7)},
    ]
    answers = [
        {"finding_id": "c", "units_credited": Decimal(20), "amount_credited": Decimal("50.00")},
        {"finding_id": "i", "units_credited": Decimal(100), "amount_credited": None},
        {"finding_id": None, "units_credited": None, "amount_credited": Decimal("9.00")},
    ]
    amounts = add_up_amounts(sent, answers, {"c": claim, "i": line})
    assert amounts[Subject.REBATE_CLAIM] == Amounts(1, Decimal(30), Decimal("75.00"), 0, 1, Decimal(20), Decimal(50))
    assert amounts[Subject.INVOICE] == Amounts(1, Decimal(100), Decimal(0), 1, 0, Decimal(100), Decimal(0))
    assert (amounts[None].lines, amounts[None].recovered) == (1, Decimal("9.00"))


def totals(redacted: bool = False) -> Totals:
    def group(value: str, findings: int) -> Group:
        priced, dollars = (0, 0) if redacted else (findings, findings * 100)
        amount = Sum(findings, priced, Decimal(findings), Decimal(dollars))
        return Group(value, value, amount, {"STRONG": amount})

    groups = {
        "evidence": [group("STRONG", 100)],
        "rule_period": [group("R003 2025Q4", 3), group("R003 2026Q1", 60), group("R003 2025Q3", 37)],
        "aging": [group("passed", 80), group("within 7 days", 20)],
        "state": [group("KY", 96), group("AK", 4)],
        "entity": [group("DSH1", 100), group("unknown", 900)],
    }
    return Totals((SubjectTotals(Subject.REBATE_CLAIM, group("", 100).total, groups),), [finding(1)])


OVERVIEW = Overview(
    {Subject.REBATE_CLAIM: Amounts(30, Decimal(900), Decimal("2250.00"), 0, 12, Decimal(500), Decimal("1250.00"))},
    [Precision("R003", ANSWERED, 8, 10), Precision("R003", SAMPLED, 30, 50)],
    [Volume("entity_claims", "DSH1", "2026Q1", 4, 100.0)],
    12,
    {"DSH1": "General Hospital"},
)


def text_of(**changed: Any) -> str:
    facts = replace(FACTS, notes=("a note of 3 claims",))
    page = report_page(totals(redacted=bool(changed)), 60, facts, OVERVIEW, SETTINGS, **changed)
    return " ".join(page.split())


def test_the_page_shows_potential_submitted_and_recovered_and_who_when_and_how_often_right() -> None:
    page = text_of()
    for words in (
        "$10,000.00",
        "$2,250.00",
        "$1,250.00",
        "$3.7 k",  # R003 in 2025Q3
        "counterparties&#39; answers",
        "49% to 94%",
        "random sample",
        "General Hospital (DSH1)",
        "Kentucky (KY)",
        "1 of 12 sources",
        "-96%",
        *AGES,
    ):
        assert words in page, words
    assert "unknown:" not in page.split("Who has most at issue")[1].split("</section>")[0][:4000]


def test_a_redacted_page_has_no_amount_no_finding_and_no_count_that_is_or_gives_a_small_one() -> None:
    page = text_of(least_count=11)
    body = page.split("<body>")[1]
    assert "$" not in body.split("<script>")[0]
    assert finding(1)["narrative"] not in page
    assert "a note of 3 claims" not in page
    # 3 of 100 in 2025Q4: withheld, and 37 with it, since it would follow from the rule's total
    by_quarter = body.split("by rule and quarter")[2].split("</table>")[0]
    assert by_quarter.count("withheld") == 2
    assert ">60<" in by_quarter
    # 4 in AK: under 11, and KY's 96 withheld
    states = body.split("<h3>States</h3>")[1].split("</svg>")[0]
    assert "under 11" in states
    assert "96" not in states
    # 8 of 10 answers; 30 of 50 of the sample may be shown
    precision = body.split('id="precision"')[1].split("</table>")[0]
    assert ">10<" not in precision
    assert ">50<" in precision
    volume = body.split('id="volumes"')[1].split("</table>")[0]
    assert "under 11" in volume
    assert "-96%" not in volume
