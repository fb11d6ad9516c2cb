"""R052: what the anomaly model finds unusual. Messages leave the company, scores do not."""

from __future__ import annotations

import pytest

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, LINE, Spec, rule_test

pytestmark = pytest.mark.slow

FOUR_REASONS = (
    "paid per unit $0.42; where 99 %, units per day of supply 3; where 98 %, days from service to payment 200, "
    "a fourth reason"
)
TABLE = """
case                      | anomaly_p_value | anomaly_rows | reason_words || fires | evidence | code | action        | route | party        | units | says
unusual                   | 0.005           | 200          | {reasons}    || yes   | WEAK     | -    | PAY_AND_WATCH | NONE  | UNDETERMINED | -     | {name} ... unusual among {peers}: paid per unit $0.42 ... units per day of supply 3 ... days from service to payment 200.
not explained             | 0.001           | 9000         | -            || no    |          |      |               |       |              |       |
not unusual enough        | 0.0051          | 9000         | {reasons}    || no    |          |      |               |       |              |       |
too few rows              | 0.001           | 199          | {reasons}    || no    |          |      |               |       |              |       |
not scored                | -               | -            | -            || no    |          |      |               |       |              |       |
"""  # noqa: E501
NEEDS = ("program", "anomaly_p_value", "anomaly_rows", "reason_words")
SPECS = [
    Spec(
        "R052",
        Subject.REBATE_CLAIM,
        CLAIM + "; program=PARTD; payer_id=PBM-1",
        TABLE.format(reasons=FOUR_REASONS, name="PBM-1, claim 4711 line 1, NDC 00002759701", peers="comparable claims"),
        NEEDS,
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


def test_no_message_shows_score_p_value_contribution_or_a_fourth_feature(results):
    messages = [result["message"] for _, _, result in results.values() if result]
    assert len(messages) == 2
    for message in messages:
        assert "0.00" not in message
        assert "a fourth reason" not in message
