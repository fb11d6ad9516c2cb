"""What several rules on one claim make of it: evidence class, code, action, units and dollars at issue."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import types as T

from engine.contracts.codes import Subject
from engine.contracts.facts import CLAIM_FACTS
from engine.contracts.findings import FEATURE_REASON, FINDINGS, RULE_RESULT
from engine.findings import dispute_lines, findings_of
from engine.rules.dispute_codes import DisputeCode
from engine.settings import Settings
from tests.spec.text_tables import cases_of_table

# In `rules`: rule id, class after guards, code, units at issue, action; `!` behind the id: one of its guards failed;
# a sixth word: the rule's own amount. URA is of the table `prices`, own of the row. "-" is NULL. `30 less 10`: of the
# units 10 were credited or repaid since the row was received; `30 disputed 10`: 10 are in dispute already.
CASES = """
case                              | program  | units          | URA  | own | rules                                           | evidence | code | action
one strong rule                   | MDRP_FFS | 30             | 2.5  | 9   | R001 STRONG X 30 DISPUTE                        | STRONG   | X    | DISPUTE
cents are rounded half-up         | MDRP_FFS | 0.5            | 0.01 | -   | R001 STRONG X 0.5 DISPUTE                       | STRONG   | X    | DISPUTE
the strongest class wins          | MDRP_FFS | 30             | 2    | -   | R021 MEDIUM J 30 INQUIRE,                       | STRONG   | X    | DISPUTE
                                  |          |                |      |     | R001 STRONG X 30 DISPUTE                        |          |      |
ties go to the first code         | MDRP_FFS | 30             | 2    | -   | R021 MEDIUM J 30 INQUIRE,                       | MEDIUM   | M    | REQUEST_CLD
                                  |          |                |      |     | R057 MEDIUM M 30 REQUEST_CLD                    |          |      |
then to the smallest rule id      | MDRP_FFS | 30             | 2    | -   | R018 MEDIUM M 30 INQUIRE,                       | MEDIUM   | M    | REQUEST_CLD
                                  |          |                |      |     | R017 MEDIUM M 30 REQUEST_CLD                    |          |      |
most units before the first code  | MDRP_FFS | 30             | 2    | -   | R022 STRONG N 10 DISPUTE,                       | STRONG   | Q    | DISPUTE
                                  |          |                |      |     | R035 STRONG Q 30 DISPUTE                        |          |      |
a dispute before more units       | MDRP_FFS | 30             | 2    | -   | R028 STRONG D 5 DISPUTE,                        | STRONG   | D    | DISPUTE
                                  |          |                |      |     | R042 STRONG - 30 INQUIRE                        |          |      |
a withheld refund as well         | MFP      | 30             | 2    | 9   | R011 STRONG MRA 10 WITHHOLD,                    | STRONG   | MRA  | WITHHOLD
                                  |          |                |      |     | R013 STRONG MRA 30 PAY_AND_WATCH                |          |      |
an inquiry hides no dispute       | MDRP_FFS | 30             | 2.25 | 2.5 | R056 STRONG A 0 INQUIRE 7.5,                    | STRONG   | U    | DISPUTE
                                  |          |                |      |     | R058 STRONG U 30 DISPUTE                        |          |      |
weak gives no units or dollars    | MDRP_FFS | 10             | 2    | -   | R031 STRONG K 9 DISPUTE,                        | STRONG   | K    | DISPUTE
                                  |          |                |      |     | R002! WEAK X 10 INQUIRE                         |          |      |
weak gives no code                | MDRP_FFS | 30             | 2    | -   | R038 STRONG - 20 REQUEST_CLD,                   | STRONG   | -    | REQUEST_CLD
                                  |          |                |      |     | R037 WEAK S 25 INQUIRE                          |          |      |
medium gives nothing to strong    | MDRP_FFS | 30             | 2    | -   | R028 STRONG D 5 DISPUTE,                        | STRONG   | D    | DISPUTE
                                  |          |                |      |     | R021 MEDIUM J 30 DISPUTE                        |          |      |
two weak make a medium of theirs  | MDRP_FFS | 30             | 2    | -   | R020 WEAK M 10 INQUIRE, R036 WEAK R 20 INQUIRE, | MEDIUM   | R    | INQUIRE
                                  |          |                |      |     | R003! WEAK X 30 INQUIRE                         |          |      |
medium is the analyst's           | MDRP_FFS | 30             | 2    | -   | R003 MEDIUM X 30 DISPUTE                        | MEDIUM   | X    | DISPUTE
the smallest id without any units | MDRP_FFS | 30             | 2    | -   | R044 MEDIUM - - NONE, R051 MEDIUM - - INQUIRE   | MEDIUM   | -    | NONE
weak never accuses                | MDRP_FFS | 30             | 2    | -   | R003! WEAK X 30 DISPUTE                         | WEAK     | X    | INQUIRE
context never accuses             | MDRP_FFS | 30             | 2    | -   | R041 CONTEXT - - NONE                           | CONTEXT  | -    | NONE
two weak of two sources           | MDRP_FFS | 30             | 2    | -   | R020 WEAK M 30 PAY_AND_WATCH,                   | MEDIUM   | M    | PAY_AND_WATCH
                                  |          |                |      |     | R036 WEAK R 30 PAY_AND_WATCH                    |          |      |
two weak of one source            | MDRP_FFS | 30             | 2    | -   | R035 WEAK Q 30 PAY_AND_WATCH,                   | WEAK     | Q    | PAY_AND_WATCH
                                  |          |                |      |     | R036 WEAK R 30 PAY_AND_WATCH                    |          |      |
a failed guard lends no support   | MDRP_FFS | 30             | 2    | -   | R003! WEAK X 30 INQUIRE,                        | WEAK     | X    | INQUIRE
                                  |          |                |      |     | R036 WEAK R 30 PAY_AND_WATCH                    |          |      |
the model alone                   | MDRP_FFS | 30             | 2    | -   | R052 WEAK M - DISPUTE                           | WEAK     | -    | INQUIRE
the model comes after its equals  | MDRP_FFS | 30             | 2    | -   | R052 WEAK - - PAY_AND_WATCH,                    | WEAK     | -    | INQUIRE
                                  |          |                |      |     | R054 WEAK - 0 INQUIRE                           |          |      |
the bar stands against a dispute  | MDRP_FFS | 30             | 2    | -   | R001 STRONG X 30 DISPUTE, R040 CONTEXT - - NONE | STRONG   | X    | NONE
the bar is only near              | MDRP_FFS | 30             | 2    | -   | R001 STRONG X 30 DISPUTE,                       | STRONG   | X    | DISPUTE
                                  |          |                |      |     | R040! CONTEXT - - NONE                          |          |      |
context alone                     | MDRP_FFS | 30             | 2    | -   | R041 CONTEXT - - DISPUTE                        | CONTEXT  | -    | NONE
largest, never the sum            | MDRP_FFS | 30             | 2    | -   | R001 STRONG X 30 DISPUTE,                       | STRONG   | X    | DISPUTE
                                  |          |                |      |     | R016 STRONG M 12 DISPUTE                        |          |      |
never above the claim             | MDRP_FFS | 30             | 2    | -   | R016 STRONG M 90 DISPUTE                        | STRONG   | M    | DISPUTE
a row that credits us             | MDRP_FFS | -30            | 2    | -   | R016 STRONG M 30 DISPUTE                        | STRONG   | M    | DISPUTE
a credit at too high a price      | MDRP_FFS | -100           | 4    | 5   | R056 STRONG A 0 INQUIRE 100                     | STRONG   | -    | INQUIRE
order of codes                    | MDRP_FFS | 30             | 2    | -   | R021 STRONG J 30 DISPUTE,                       | STRONG   | N    | DISPUTE
                                  |          |                |      |     | R024 STRONG O 30 DISPUTE,                       |          |      |
                                  |          |                |      |     | R022 STRONG N 30 DISPUTE,                       |          |      |
                                  |          |                |      |     | R035 STRONG Q 30 DISPUTE                        |          |      |
drafted under strong codes only   | MDRP_FFS | 30             | 2    | -   | R003 MEDIUM X 30 DISPUTE,                       | STRONG   | N    | DISPUTE
                                  |          |                |      |     | R022 STRONG N 30 DISPUTE                        |          |      |
an adjustment is no dispute       | MDRP_FFS | 30             | 2    | -   | R053 STRONG A 0 CHECK_REFERENCE 4.25            | STRONG   | -    | CHECK_REFERENCE
adjustments stay out of the draft | MDRP_FFS | 30             | 2    | -   | R001 STRONG X 30 DISPUTE,                       | STRONG   | X    | DISPUTE
                                  |          |                |      |     | R053 STRONG A 0 CHECK_REFERENCE 4.25            |          |      |
own amount above the claim        | MDRP_FFS | 30             | 2    | -   | R053 STRONG A 0 CHECK_REFERENCE 500             | STRONG   | -    | CHECK_REFERENCE
an unverified code is not used    | MDRP_FFS | 30             | 2    | -   | R030 STRONG T 30 DISPUTE                        | STRONG   | -    | DISPUTE
an expired code is not used       | MDRP_FFS | 30             | 2    | -   | R030 STRONG L 30 DISPUTE                        | STRONG   | -    | DISPUTE
R must accompany another code     | MDRP_FFS | 30             | 2    | -   | R036 STRONG R 30 DISPUTE                        | STRONG   | R    | DISPUTE
R beside another code             | MDRP_FFS | 30             | 2    | -   | R035 STRONG Q 30 DISPUTE,                       | STRONG   | Q    | DISPUTE
                                  |          |                |      |     | R036 STRONG R 30 DISPUTE                        |          |      |
a code that adjusts and disputes  | MDRP_FFS | 30             | 2    | -   | R028 STRONG D 5 DISPUTE                         | STRONG   | D    | DISPUTE
it adjusts where no unit is       | MDRP_FFS | 30             | 2    | -   | R028 STRONG D 0 DISPUTE                         | STRONG   | -    | DISPUTE
in dispute already in part        | MDRP_FFS | 30 disputed 10 | 2    | -   | R001 STRONG X 30 DISPUTE                        | STRONG   | X    | DISPUTE
in dispute already                | MDRP_FFS | 30 disputed 30 | 2    | -   | R001 STRONG X 30 DISPUTE                        | STRONG   | X    | DISPUTE
no price in the table: the row's  | MDRP_FFS | 30             | -    | 9   | R001 STRONG X 30 DISPUTE                        | STRONG   | X    | DISPUTE
a stated price of zero is none    | MDRP_FFS | 30             | -    | 0   | R001 STRONG X 30 DISPUTE                        | STRONG   | X    | DISPUTE
a PBM's rebate is its contract's  | PARTD    | 30             | 2    | 9   | R009 STRONG PBM 30 DISPUTE                      | STRONG   | PBM  | DISPUTE
refund inside 14 days, documented | MFP      | 30             | 2    | 9   | R011 STRONG MRA 30 WITHHOLD                     | STRONG   | MRA  | WITHHOLD
refund without documents          | MFP      | 30             | 2    | 9   | R011 MEDIUM MRA 30 WITHHOLD                     | MEDIUM   | MRA  | PAY_AND_WATCH
own amount of an MFP refund       | MFP      | 30             | 2    | 9   | R011 STRONG MRA 30 WITHHOLD 80.5                | STRONG   | MRA  | WITHHOLD
credited since in full            | MDRP_FFS | 30 less 30     | 2    | -   | R001 STRONG X 30 DISPUTE                        | STRONG   | X    | NONE
credited since in part            | MDRP_FFS | 30 less 10     | 2    | -   | R001 STRONG X 30 DISPUTE                        | STRONG   | X    | DISPUTE
credited again since, asked again | MDRP_FFS | 30 less 10     | 2    | -   | R059 STRONG M 30 DISPUTE                        | STRONG   | M    | DISPUTE
more credited than asked for      | MDRP_FFS | 30 less 90     | 2    | -   | R001 STRONG X 30 DISPUTE,                       | STRONG   | X    | NONE
                                  |          |                |      |     | R016 STRONG M 12 DISPUTE                        |          |      |
the surplus was credited          | MDRP_FFS | 30 less 5      | 2    | -   | R028 STRONG D 5 DISPUTE                         | STRONG   | -    | NONE
nothing left to ask about         | MDRP_FFS | 30 less 30     | 2    | -   | R003 MEDIUM X 30 REQUEST_CLD,                   | MEDIUM   | X    | NONE
                                  |          |                |      |     | R036 WEAK R 30 INQUIRE                          |          |      |
a wrong reference stays wrong     | MDRP_FFS | 30 less 30     | 2    | -   | R053 STRONG A 0 CHECK_REFERENCE 4.25,           | STRONG   | -    | CHECK_REFERENCE
                                  |          |                |      |     | R028 WEAK D 5 INQUIRE                           |          |      |
no units at issue, none settled   | MDRP_FFS | 30 less 30     | 2    | -   | R051 MEDIUM - - INQUIRE                         | MEDIUM   | -    | INQUIRE
credited, no price                | MDRP_FFS | 30 less 10     | -    | -   | R001 STRONG X 30 DISPUTE                        | STRONG   | X    | DISPUTE
a third of a refund was repaid    | MFP      | 30 less 10     | 2    | 9   | R011 STRONG MRA 30 WITHHOLD 80.5                | STRONG   | MRA  | WITHHOLD
a refund was repaid               | MFP      | 30 less 30     | 2    | 9   | R011 STRONG MRA 30 WITHHOLD 80.5                | STRONG   | MRA  | NONE

case                              | at issue | amount | drafted
one strong rule                   | 30.000   | 75.00  | X
cents are rounded half-up         | 0.500    | 0.01   | X
the strongest class wins          | 30.000   | 60.00  | X
ties go to the first code         | 30.000   | 60.00  | -
then to the smallest rule id      | 30.000   | 60.00  | -
most units before the first code  | 30.000   | 60.00  | Q, N
a dispute before more units       | 5.000    | 10.00  | D
a withheld refund as well         | 10.000   | 90.00  | -
an inquiry hides no dispute       | 30.000   | 67.50  | U
weak gives no units or dollars    | 9.000    | 18.00  | K
weak gives no code                | 20.000   | 40.00  | -
medium gives nothing to strong    | 5.000    | 10.00  | D
two weak make a medium of theirs  | 20.000   | 40.00  | -
medium is the analyst's           | 30.000   | 60.00  | -
the smallest id without any units | -        | -      | -
weak never accuses                | 30.000   | 60.00  | -
context never accuses             | -        | -      | -
two weak of two sources           | 30.000   | 60.00  | -
two weak of one source            | 30.000   | 60.00  | -
a failed guard lends no support   | 30.000   | 60.00  | -
the model alone                   | -        | -      | -
the model comes after its equals  | 0.000    | 0.00   | -
the bar stands against a dispute  | 30.000   | 60.00  | -
the bar is only near              | 30.000   | 60.00  | X
context alone                     | -        | -      | -
largest, never the sum            | 30.000   | 60.00  | X, M
never above the claim             | 30.000   | 60.00  | M
a row that credits us             | 0.000    | 0.00   | -
a credit at too high a price      | 0.000    | 0.00   | -
order of codes                    | 30.000   | 60.00  | N, O, J, Q
drafted under strong codes only   | 30.000   | 60.00  | N
an adjustment is no dispute       | 0.000    | 4.25   | -
adjustments stay out of the draft | 30.000   | 60.00  | X
own amount above the claim        | 0.000    | 60.00  | -
an unverified code is not used    | 30.000   | 60.00  | -
an expired code is not used       | 30.000   | 60.00  | -
R must accompany another code     | 30.000   | 60.00  | -
R beside another code             | 30.000   | 60.00  | Q, R
a code that adjusts and disputes  | 5.000    | 10.00  | D
it adjusts where no unit is       | 0.000    | 0.00   | -
in dispute already in part        | 30.000   | 60.00  | X
in dispute already                | 30.000   | 60.00  | -
no price in the table: the row's  | 30.000   | 270.00 | X
a stated price of zero is none    | 30.000   | -      | X
a PBM's rebate is its contract's  | 30.000   | 270.00 | PBM
refund inside 14 days, documented | 30.000   | 270.00 | -
refund without documents          | 30.000   | 270.00 | -
own amount of an MFP refund       | 30.000   | 80.50  | -
credited since in full            | 0.000    | 0.00   | -
credited since in part            | 20.000   | 40.00  | X
credited again since, asked again | 20.000   | 40.00  | M
more credited than asked for      | 0.000    | 0.00   | -
the surplus was credited          | 0.000    | 0.00   | -
nothing left to ask about         | 0.000    | 0.00   | -
a wrong reference stays wrong     | 0.000    | 0.00   | -
no units at issue, none settled   | -        | -      | -
credited, no price                | 20.000   | -      | X
a third of a refund was repaid    | 20.000   | 53.67  | -
a refund was repaid               | 0.000    | 0.00   | -
"""  # noqa: E501


def _code(code: str, kind: str = "DISPUTE", **values: Any) -> DisputeCode:
    usual = DisputeCode(code, kind, True, f"document {code}", False, "", date(2021, 7, 1), None, True)
    return usual._replace(**values)


CODE_TABLE = [
    *(_code(code) for code in ["X", "M", "N", "O", "J", "K", "Q", "S", "U", "D", "PBM", "MRA"]),
    _code("A", "ADJUSTMENT"),
    _code("D", "ADJUSTMENT"),
    _code("R", needs_companion=True),
    _code("T", verified=False),
    _code("L", valid_from=date(2010, 1, 1), valid_to=date(2026, 3, 1)),
]
SETTINGS = Settings(as_of=date(2026, 3, 1))
FLAGGED = T.StructType(
    CLAIM_FACTS.fields
    + [
        T.StructField("rules", T.ArrayType(RULE_RESULT)),
        T.StructField("anomaly_score", T.DoubleType()),
        T.StructField("anomaly_p_value", T.DoubleType()),
        T.StructField("reasons", T.ArrayType(FEATURE_REASON)),
    ]
)


def _cases() -> list[dict[str, str]]:
    return [{"case": name} | case for name, case in cases_of_table(CASES).items()]


def _value(text: str) -> Decimal | None:
    return None if text == "-" else Decimal(text)


def _rule(text: str) -> dict[str, Any]:
    rule_id, evidence, code, units, action, *amount = text.split()
    return {
        "rule_id": rule_id.rstrip("!"),
        "evidence": evidence,
        "message": f"{rule_id.rstrip('!')} says so.",
        "code": None if code == "-" else code,
        "related_source_row_ids": None,
        "guards": [{"name": "NO_340B_PURCHASE", "state": "FAILED"}] if rule_id.endswith("!") else None,
        "route": "STATE",
        "party_at_fault": "STATE",
        "action": action,
        "units_at_issue": _value(units),
        "amount_at_issue": _value(amount[0]) if amount else None,
        "document": f"document of {rule_id}",
        "reference_rows": None,
    }


def _row(case: dict[str, str]) -> dict[str, Any]:
    units, _, disputed = case["units"].partition(" disputed ")
    units, _, settled = units.partition(" less ")
    row = dict.fromkeys(FLAGGED.names) | {
        "source_row_id": case["case"],
        "program": case["program"],
        "payer_id": "KY",
        "claim_id": case["case"],
        "claim_line": 1,
        "ndc11": "00002759701",
        "units": _value(units),
        "ndc_units": _value(units),
        "settled_units": Decimal(30),  # before: that is what R059 is about, nothing else falls by it
        "settled_since_units": _value(settled or "-"),
        "units_in_dispute": _value(disputed or "-"),
        "settled_since_on": date(2026, 2, 25) if settled else None,
        "unit_rebate_amount": _value(case["own"]),
        "price_ura": _value(case["URA"]),
        "received_at": datetime(2026, 2, 20, 23, 0, tzinfo=UTC),
        "rules": [_rule(text.strip()) for text in case["rules"].split(",")],
    }
    return row


@pytest.fixture(scope="module")
def results(spark: SparkSession) -> tuple[dict[str, Row], dict[str, Row]]:
    flagged = spark.createDataFrame([tuple(_row(case)[name] for name in FLAGGED.names) for case in _cases()], FLAGGED)
    findings = findings_of(Subject.REBATE_CLAIM, flagged, CODE_TABLE, SETTINGS, "run-1")
    assert [(f.name, f.dataType) for f in findings.schema] == [(f.name, f.dataType) for f in FINDINGS]
    found = findings.collect()
    # as a run reads them back
    lines = dispute_lines(spark.createDataFrame(found, FINDINGS), CODE_TABLE, SETTINGS)
    return {row["source_row_id"]: row for row in found}, {row["claim_id"]: row for row in lines.collect()}


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["case"])
def test_case(case: dict[str, str], results: tuple[dict[str, Row], dict[str, Row]]) -> None:
    findings, lines = results
    finding, line = findings[case["case"]], lines.get(case["case"])
    found = {
        "evidence": finding["evidence"],
        "code": finding["dispute_code"] or "-",
        "action": finding["action"],
        "at issue": "-" if finding["units_at_issue"] is None else str(finding["units_at_issue"]),
        "amount": "-" if finding["amount_at_issue"] is None else str(finding["amount_at_issue"]),
        "drafted": "-" if line is None else ", ".join([line["dispute_code"], *line["other_codes"]]),
    }
    assert found == {name: case[name] for name in found}


def test_what_a_file_asks_for_comes_from_the_rules(results: tuple[dict[str, Row], dict[str, Row]]) -> None:
    findings, lines = results
    assert [tuple(code) for code in findings["R beside another code"]["codes"]] == [
        ("Q", "DISPUTE", "document of R035"),
        ("R", "DISPUTE", "document of R036"),
    ]
    assert lines["R beside another code"]["documents"] == ["document of R035", "document of R036"]
    assert findings["an unverified code is not used"]["codes"] == []
    assert [tuple(code) for code in findings["an adjustment is no dispute"]["codes"]] == [
        ("A", "ADJUSTMENT", "document of R053")
    ]
    assert [tuple(code) for code in findings["it adjusts where no unit is"]["codes"]] == [
        ("D", "ADJUSTMENT", "document of R028")
    ]
    assert [tuple(code) for code in findings["then to the smallest rule id"]["codes"]] == [
        ("M", "DISPUTE", "document of R017; document of R018")
    ]
    assert lines["drafted under strong codes only"]["documents"] == ["document of R022"]


def test_each_rule_shows_its_own_units_dollars_and_document(results: tuple[dict[str, Row], dict[str, Row]]) -> None:
    findings, _ = results

    def shown(case: str) -> list[tuple[str | Decimal | None, ...]]:
        names = ("rule_id", "evidence", "units_at_issue", "amount_at_issue", "document")
        return [tuple(rule[name] for name in names) for rule in findings[case]["rules"]]

    assert shown("weak gives no units or dollars") == [
        ("R002", "WEAK", Decimal(10), Decimal(20), "document of R002!"),
        ("R031", "STRONG", Decimal(9), Decimal(18), "document of R031"),
    ]
    assert shown("never above the claim") == [("R016", "STRONG", Decimal(30), Decimal(60), "document of R016")]
    assert shown("credited since in part") == [("R001", "STRONG", Decimal(20), Decimal(40), "document of R001")]
    assert shown("own amount of an MFP refund") == [
        ("R011", "STRONG", Decimal(30), Decimal("80.5"), "document of R011")
    ]
    assert shown("context alone") == [("R041", "CONTEXT", None, None, None)]
    assert [rule[:2] for rule in shown("two weak make a medium of theirs")] == [
        ("R003", "WEAK"),
        ("R020", "MEDIUM"),
        ("R036", "MEDIUM"),
    ]


def test_units_in_dispute_are_left_out_of_the_line(results: tuple[dict[str, Row], dict[str, Row]]) -> None:
    findings, lines = results
    assert lines["in dispute already in part"]["units_disputed"] == Decimal(20)
    assert findings["in dispute already in part"]["units_in_dispute"] == Decimal(10)


def test_a_line_takes_its_units_from_strong_rules_that_dispute(results: tuple[dict[str, Row], dict[str, Row]]) -> None:
    _, lines = results
    expected = {
        "weak gives no units or dollars": Decimal(9),
        "medium gives nothing to strong": Decimal(5),
        "most units before the first code": Decimal(30),
    }
    assert {case: lines[case]["units_disputed"] for case in expected} == expected


def test_the_narrative_says_what_was_settled_since(results: tuple[dict[str, Row], dict[str, Row]]) -> None:
    findings, _ = results
    assert findings["one strong rule"]["narrative"] == "R001 says so."
    assert findings["more credited than asked for"]["narrative"].endswith(
        " 30 units of it were credited or repaid since, last on 2026-02-25, and are not at issue any more."
    )
