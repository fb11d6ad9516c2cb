"""R052: what the anomaly model finds unusual, and months of groups that stand out. Messages leave the company, scores
do not.
"""

from __future__ import annotations

from typing import Any

import pytest

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, CLAIM_340B, LINE, Spec, rule_test

pytestmark = pytest.mark.slow

FOUR_REASONS = (
    "paid per unit $0.42; where 99 %, units per day of supply 3; where 98 %, days from service to payment 200, "
    "a fourth reason"
)
TABLE = """
case               | anomaly_p_value | anomaly_rows | reason_words || fires | evidence | code | action        | route | party        | units
unusual            | 0.005           | 200          | {reasons}    || yes   | WEAK     | -    | PAY_AND_WATCH | NONE  | UNDETERMINED | -
not explained      | 0.001           | 9000         | -            || no    |          |      |               |       |              |
not unusual enough | 0.0051          | 9000         | {reasons}    || no    |          |      |               |       |              |
too few rows       | 0.001           | 199          | {reasons}    || no    |          |      |               |       |              |
not scored         | -               | -            | -            || no    |          |      |               |       |              |

case               || says
unusual            || {name} ... unusual among {peers}: paid per unit $0.42 ... units per day of supply 3 ... days from service to payment 200.
"""  # noqa: E501
NEEDS = ("program", "anomaly_p_value", "anomaly_rows", "reason_words")

# Months whose most unusual claim the row is: in words, as models/group_months.py makes them, and their other claims.
MONTH, OTHER_MONTH = "pharmacy 1234567893 in 2025-08: 61 claims", "prescriber 1234567893 in 2025-08: 60 claims"
AS_A_WHOLE = "represents claims of a month that is unusual as a whole"
MONTHS = f"""
case                    | group_words           | group_source_row_ids | group_row_count | anomaly_p_value | anomaly_rows | reason_words || fires
{{unusual}}
stands for a month      | {MONTH}               | R7,R3                | 60              | -               | -            | -            || yes
stands for two          | {MONTH},{OTHER_MONTH} | R7                   | 1               | -               | -            | -            || yes
stands for none         | -                     | -                    | -               | -               | -            | -            || no

case                    || evidence | code | action        | units | related | says
{{unusual_results}}
stands for a month      || WEAK     | -    | PAY_AND_WATCH | -     | R7,R3   | {{name}} ... {AS_A_WHOLE}: {MONTH}.
stands for two          || WEAK     | -    | PAY_AND_WATCH | -     | R7      | {AS_A_WHOLE}: {MONTH}; and {OTHER_MONTH}.
"""  # noqa: E501
ON_ITS_OWN = f"""
unusual                 | -                     | -                    | -               | 0.005           | 200          | {{reasons}}  || yes
unusual and for a month | {MONTH}               | R7                   | 60              | 0.005           | 200          | {{reasons}}  || yes
not explained           | -                     | -                    | -               | 0.001           | 9000         | -            || no
not unusual enough      | -                     | -                    | -               | 0.0051          | 9000         | {{reasons}}  || no
too few rows            | -                     | -                    | -               | 0.001           | 199          | {{reasons}}  || no
""".strip()  # noqa: E501
RESULTS_ON_ITS_OWN = f"""
unusual                 || WEAK     | -    | PAY_AND_WATCH | -     | -       | {{name}} ... unusual among comparable claims:
                        ||          |      |               |       |         | paid per unit $0.42 ... days from service to payment 200.
unusual and for a month || WEAK     | -    | PAY_AND_WATCH | -     | R7      | unusual among comparable claims: paid per unit $0.42 ...
                        ||          |      |               |       |         | days from service to payment 200; {AS_A_WHOLE}: {MONTH}.
""".strip()  # noqa: E501
CLAIM_NAME = "PBM-1, claim 4711 line 1, NDC 00002759701"
SPECS = [
    Spec(
        "R052",
        Subject.REBATE_CLAIM,
        CLAIM + "; program=PARTD; payer_id=PBM-1",
        MONTHS.format(
            unusual=ON_ITS_OWN.format(reasons=FOUR_REASONS),
            unusual_results=RESULTS_ON_ITS_OWN.format(name=CLAIM_NAME),
            name=CLAIM_NAME,
        ),
        NEEDS,
        no_slow_reading="results of the model",
    ),
    Spec(
        "R052",
        Subject.ENTITY_CLAIM,
        CLAIM_340B,
        MONTHS.format(unusual="", unusual_results="", name="DSH010001"),
        ("group_words",),
    ),
    Spec(
        "R052",
        Subject.INVOICE,
        LINE,
        TABLE.format(reasons=FOUR_REASONS, name="State AK invoiced 1000 units", peers="comparable lines"),
        NEEDS,
    ),
]
test_rule = rule_test(SPECS)


def test_no_message_shows_score_p_value_contribution_or_a_fourth_feature(
    results: dict[str, tuple[str, dict[str, Any], dict[str, Any] | None]],
) -> None:
    messages = [result["message"] for _, _, result in results.values() if result]
    assert len(messages) == 7
    for message in messages:
        assert "0.00" not in message
        assert "a fourth reason" not in message


def test_the_other_claims_of_the_month_are_counted(
    results: dict[str, tuple[str, dict[str, Any], dict[str, Any] | None]],
) -> None:
    counts = {row_id: result["related_count"] for row_id, (_, _, result) in results.items() if result}
    assert counts["REBATE_CLAIM R052: stands for a month"] == counts["ENTITY_CLAIM R052: stands for a month"] == 60
    assert counts["REBATE_CLAIM R052: unusual"] == 0
