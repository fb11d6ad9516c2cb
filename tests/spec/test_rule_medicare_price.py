"""R011: an MFP refund on a dispense bought at the 340B price. The entity gets the lower of the two prices, once."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import SparkSession

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, Spec, answers_to, everything, rule_test

pytestmark = pytest.mark.slow

LINKED = (
    CLAIM + "; program=MFP; payer_id=MTF; link_entity_id=DSH330214; link_source_row_ids=e-12; "
    "link_date_of_service=2026-02-10; link_ndc11=00002759701; link_quantity=30; price_wac=10; price_mfp=4; "
    "entity_bought_at_340b=yes; entity_units_asked_for=300; unit_rebate_amount=6"
)

# AS_OF of the specifications is 2026-03-01: the last day to pay a claim received on 2026-02-15, US Eastern time.
SPECS = [
    Spec(
        "R011",
        Subject.REBATE_CLAIM,
        LINKED,
        """
        case                                | link_tier | mtf_transaction_code | date_of_service | received_at      | price_ceiling | rebate_amount
        last day to pay                     | T1        | 001                  | 2026-02-10      | 2026-02-15T05:00 | 3             | 180
        a day late: pay and watch           | T1        | 001                  | 2026-02-10      | 2026-02-14       | 3             | 180
        still the day before, US Eastern    | T1        | 001                  | 2026-02-10      | 2026-02-15T04:59 | 3             | 180
        day of receipt not known            | T1        | 001                  | 2026-02-10      | -                | 3             | 180
        fill number missing                 | T2        | 002                  | 2026-02-10      | 2026-02-20       | 3             | 180
        transaction not known               | T1        | -                    | 2026-02-10      | 2026-02-20       | 3             | 180
        near match does not withhold        | T3        | 001                  | 2026-02-10      | 2026-02-20       | 3             | 180
        refund as stated per unit           | T1        | 001                  | 2026-02-10      | 2026-02-20       | 3             | -
        ceiling equals MFP                  | T1        | 001                  | 2026-02-10      | 2026-02-20       | 4             | 180
        ceiling above MFP, default refund   | T1        | 001                  | 2026-02-10      | 2026-02-20       | 5.5           | 180
        ceiling above MFP, asks what is due | T1        | 001                  | 2026-02-10      | 2026-02-20       | 5.5           | 45
        purchases not in the input          | T1        | 001                  | 2026-02-10      | 2026-02-20       | 3             | 180
        entity never bought it at 340B      | T1        | 001                  | 2026-02-10      | 2026-02-20       | 3             | 180
        more is asked for than it bought    | T1        | 001                  | 2026-02-10      | 2026-02-15T05:00 | 3             | 180
        units of a package not known        | T1        | 001                  | 2026-02-10      | 2026-02-15T05:00 | 3             | 180
        reversal                            | T1        | 003                  | 2026-02-10      | 2026-02-20       | 3             | 180
        informational                       | T1        | 004                  | 2026-02-10      | 2026-02-20       | 3             | 180
        reversed later                      | T1        | 001                  | 2026-02-10      | 2026-02-15T05:00 | 3             | 180
        replaced later                      | T1        | 001                  | 2026-02-10      | 2026-02-15T05:00 | 3             | 180
        other transactions not known        | T1        | 001                  | 2026-02-10      | 2026-02-15T05:00 | 3             | 180
        before the negotiated prices        | T1        | 001                  | 2025-12-31      | 2026-02-20       | 3             | 180
        first day of the negotiated prices  | T1        | 001                  | 2026-01-01      | 2026-02-20       | 3             | 180
        ceiling price not known             | T1        | 001                  | 2026-02-10      | 2026-02-20       | -             | 180
        no entity claim                     | -         | 001                  | 2026-02-10      | 2026-02-20       | 3             | 180

        case                                | entity_bought_at_340b | entity_units_bought | mtf_is_reversed | mtf_is_adjusted || fires | evidence | code
        last day to pay                     | yes                   | 300                 | no              | no              || yes   | STRONG   | MRA
        a day late: pay and watch           | yes                   | 300                 | no              | no              || yes   | STRONG   | MRA
        still the day before, US Eastern    | yes                   | 300                 | no              | no              || yes   | STRONG   | MRA
        day of receipt not known            | yes                   | 300                 | no              | no              || yes   | STRONG   | MRA
        fill number missing                 | yes                   | 300                 | no              | no              || yes   | STRONG   | MRA
        transaction not known               | yes                   | 300                 | no              | no              || yes   | STRONG   | MRA
        near match does not withhold        | yes                   | 300                 | no              | no              || yes   | MEDIUM   | MRA
        refund as stated per unit           | yes                   | 300                 | no              | no              || yes   | STRONG   | MRA
        ceiling equals MFP                  | yes                   | 300                 | no              | no              || yes   | MEDIUM   | MRA
        ceiling above MFP, default refund   | yes                   | 300                 | no              | no              || yes   | MEDIUM   | MRA
        ceiling above MFP, asks what is due | yes                   | 300                 | no              | no              || no    |          |
        purchases not in the input          | -                     | 300                 | no              | no              || yes   | MEDIUM   | MRA
        entity never bought it at 340B      | no                    | 300                 | no              | no              || yes   | WEAK     | MRA
        more is asked for than it bought    | yes                   | 200                 | no              | no              || yes   | MEDIUM   | MRA
        units of a package not known        | yes                   | -                   | no              | no              || yes   | MEDIUM   | MRA
        reversal                            | yes                   | 300                 | no              | no              || no    |          |
        informational                       | yes                   | 300                 | no              | no              || no    |          |
        reversed later                      | yes                   | 300                 | yes             | no              || yes   | WEAK     | MRA
        replaced later                      | yes                   | 300                 | no              | yes             || yes   | WEAK     | MRA
        other transactions not known        | yes                   | 300                 | -               | -               || yes   | MEDIUM   | MRA
        before the negotiated prices        | yes                   | 300                 | no              | no              || no    |          |
        first day of the negotiated prices  | yes                   | 300                 | no              | no              || yes   | STRONG   | MRA
        ceiling price not known             | yes                   | 300                 | no              | no              || no    |          |
        no entity claim                     | yes                   | 300                 | no              | no              || no    |          |

        case                                || action        | units | amount | guards
        last day to pay                     || WITHHOLD      | 30    | 180    | NO_340B_PURCHASE PASSED, EXCEEDS_340B_PURCHASES PASSED, LATER_REVERSAL PASSED
        a day late: pay and watch           || PAY_AND_WATCH | 30    | 180    |
        still the day before, US Eastern    || PAY_AND_WATCH | 30    | 180    |
        day of receipt not known            || PAY_AND_WATCH | 30    | 180    |
        fill number missing                 || WITHHOLD      | 30    | 180    |
        transaction not known               || WITHHOLD      | 30    | 180    |
        near match does not withhold        || PAY_AND_WATCH | 30    | 180    |
        refund as stated per unit           || WITHHOLD      | 30    | 180    |
        ceiling equals MFP                  || PAY_AND_WATCH | 30    | 180    |
        ceiling above MFP, default refund   || PAY_AND_WATCH | 30    | 135    |
        purchases not in the input          || WITHHOLD      | 30    | 180    | NO_340B_PURCHASE UNCHECKED
        entity never bought it at 340B      || PAY_AND_WATCH | 30    | 180    | NO_340B_PURCHASE FAILED
        more is asked for than it bought    || WITHHOLD      | 30    | 180    | EXCEEDS_340B_PURCHASES FAILED
        units of a package not known        || WITHHOLD      | 30    | 180    | EXCEEDS_340B_PURCHASES UNCHECKED
        reversed later                      || PAY_AND_WATCH | 30    | 180    | LATER_REVERSAL FAILED
        replaced later                      || PAY_AND_WATCH | 30    | 180    | LATER_REVERSAL FAILED
        other transactions not known        || WITHHOLD      | 30    | 180    | LATER_REVERSAL UNCHECKED
        first day of the negotiated prices  || WITHHOLD      | 30    | 180    |

        case                                || says
        last day to pay                     || MTF requested an MFP refund on 30 units ... DSH330214 ... ceiling price of 2026Q1 is below the MFP,
                                            || so no refund appears to be due
        ceiling equals MFP                  || equals the MFP
        ceiling above MFP, default refund   || is above the MFP, so no more than the difference of the two appears to be due
        """,  # noqa: E501
        needs=("program", "units", "link_tier", "date_of_service", "price_ceiling", "price_mfp"),
    ),
    Spec(
        "R060",
        Subject.REBATE_CLAIM,
        CLAIM
        + "; program=MFP; payer_id=MTF; state=-; date_of_service=2026-01-15; period=2026Q1; price_wac=10; price_mfp=4",
        """
        case                               | rebate_amount | unit_rebate_amount | mtf_transaction_code | units | ndc_units || fires | evidence | code
        asks for more                      | 200.00        | -                  | 001                  | 30    | 30        || yes   | MEDIUM   | MRA
        asks for less                      | 170.00        | -                  | 002                  | 30    | 30        || yes   | MEDIUM   | MRA
        stated per unit                    | -             | 6.5                | -                    | 30    | 30        || yes   | MEDIUM   | MRA
        the default refund                 | 180.00        | -                  | 001                  | 30    | 30        || no    |          |
        HCPCS units that are not converted | 200.00        | -                  | 001                  | 30    | -         || no    |          |
        a cent may be rounding             | 180.01        | -                  | 001                  | 30    | 30        || no    |          |
        a reversal asks for nothing        | 200.00        | -                  | 003                  | 30    | 30        || no    |          |
        nothing is stated                  | -             | -                  | 001                  | 30    | 30        || no    |          |

        case                               || route       | action        | units | amount
        asks for more                      || FACILITATOR | PAY_AND_WATCH | 0     | 20
        asks for less                      || FACILITATOR | PAY_AND_WATCH | 0     | 0
        stated per unit                    || FACILITATOR | PAY_AND_WATCH | 0     | 15

        case                               || says
        asks for more                      || an MFP refund on 30 units ... of $200.00 ... makes $180.00 for these units ... too high by $20.00
        asks for less                      || too low by $10.00
        """,  # noqa: E501
        needs=("program", "units", "ndc_units", "date_of_service", "price_wac", "price_mfp", "rebate_amount"),
    ),
]
test_rule = rule_test(SPECS)


def test_no_message_gives_a_confidential_price(
    results: dict[str, tuple[str, dict[str, str], dict[str, Any] | None]],
) -> None:
    # R060 compares the wholesale price with the negotiated one, which both are public
    messages = [result["message"] for key, (_, _, result) in results.items() if result and "R060" not in key]
    assert messages
    assert not [message for message in messages if "$" in message or "5.5" in message]


def test_without_cross_references_no_reversal_is_known(spark: SparkSession) -> None:
    active = everything(Subject.REBATE_CLAIM, ["R011"], without=["rebate_claims.mtf_xref_icn"])
    reversed_later = next(case for case in SPECS[0].cases if case.name == "reversed later")
    (result,) = answers_to(spark, active, {"a": reversed_later.facts}).values()
    assert result["evidence"] == "MEDIUM"
    assert {"name": "LATER_REVERSAL", "state": "UNCHECKED"} in result["guards"]
