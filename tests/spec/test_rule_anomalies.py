"""R052: what the anomaly model finds unusual. Messages leave the company, scores do not."""

from __future__ import annotations

import pytest

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, LINE, Spec, cases_of, check, results_fixture

pytestmark = pytest.mark.slow

FOUR_REASONS = (
    "f24_units_per_prescription_z 90 28 32 400, f44_claim_age_days 200 0 14 400, f25_units_per_day 3 0.9 1.1 -, "
    "f23_rebate_to_paid 1 0 1 400"
)
TABLE = """
case                      | anomaly_p_value | anomaly_rows | reasons   || fires | evidence | code | action        | route | party        | units | says
unusual                   | 0.005           | 200          | {reasons} || yes   | WEAK     | -    | PAY_AND_WATCH | NONE  | UNDETERMINED | -     | {name} ... unusual among comparable rows: units per prescription 90 (usually 28 to 32 among 400 rows); days from service to payment 200 (usually 0 to 14 among 400 rows); units per day of supply 3 (usually 0.9 to 1.1).
range not known           | 0.001           | 9000         | f24_units_per_prescription 90 - - 400 || yes   | WEAK     | -    | PAY_AND_WATCH | NONE  | UNDETERMINED | -     | : units per prescription 90.
not explained             | 0.001           | 9000         | -         || yes   | WEAK     | -    | PAY_AND_WATCH | NONE  | UNDETERMINED | -     | unusual among comparable rows.
not unusual enough        | 0.0051          | 9000         | {reasons} || no    |          |      |               |       |              |       |
too few rows              | 0.001           | 199          | {reasons} || no    |          |      |               |       |              |       |
not scored                | -               | -            | -         || no    |          |      |               |       |              |       |
"""  # noqa: E501
NEEDS = ("program", "anomaly_p_value", "anomaly_rows")
SPECS = [
    Spec(
        "R052",
        Subject.REBATE_CLAIM,
        CLAIM + "; program=PARTD; payer_id=PBM-1",
        TABLE.format(reasons=FOUR_REASONS, name="PBM-1, claim 4711 line 1, NDC 00002759701"),
        NEEDS,
    ),
    Spec("R052", Subject.INVOICE, LINE, TABLE.format(reasons=FOUR_REASONS, name="State AK invoiced 1000 units"), NEEDS),
]
results = results_fixture(SPECS)


@pytest.mark.parametrize(("spec", "case"), cases_of(SPECS))
def test_rule(spec, case, results):
    check(spec, case, results)


def test_no_message_shows_score_p_value_contribution_or_a_fourth_feature(results):
    messages = [result["message"] for _, _, result in results.values() if result]
    assert len(messages) == 6
    for message in messages:
        assert "0.98" not in message
        assert "0.00" not in message
        assert "amount paid" not in message
