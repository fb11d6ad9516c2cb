"""R036: quantities that do not fit what was paid for them."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, LINE, Spec, rule_test

SPECS = [
    Spec(
        "R036",
        Subject.REBATE_CLAIM,
        CLAIM + "; peer_median_units=3",
        """
        case                            | program  | f20_paid_per_unit_to_wac | f23_rebate_to_paid | amount_third_party | flags_340b | link_tier | mef_entity_id
        paid for a tenth                | MDRP_MCO | 0.1                      | 4                  | 0                  | -          | -         | -
        overpaid, rebate above          | MDRP_FFS | 3.5                      | 1.6                | 0                  | -          | -         | -
        third parties not reported      | MDRP_MCO | 0.1                      | 4                  | -                  | -          | -         | -
        cheap, rebate below the payment | MDRP_FFS | 0.1                      | 1.5                | 0                  | -          | -         | -
        within the band                 | MDRP_FFS | 0.2                      | 4                  | 0                  | -          | -         | -
        a third party paid the rest     | MDRP_FFS | 0.1                      | 4                  | 270.00             | -          | -         | -
        flagged: paid at the 340B cost  | MDRP_FFS | 0.1                      | 4                  | 0                  | SCC 20     | -         | -
        reported as 340B by an entity   | MDRP_FFS | 0.1                      | 4                  | 0                  | -          | T3        | -
        listed in the exclusion file    | MDRP_FFS | 0.1                      | 4                  | 0                  | -          | -         | DSH330214
        no list price                   | MDRP_FFS | -                        | 4                  | 0                  | -          | -         | -
        no list price, rebate below     | MDRP_FFS | -                        | 1.5                | 0                  | -          | -         | -
        nothing paid                    | MDRP_FFS | 0                        | -                  | 0                  | -          | -         | -

        case                            || fires     | evidence | code | action  | units
        paid for a tenth                || yes       | MEDIUM   | R    | DISPUTE | 27
        overpaid, rebate above          || yes       | MEDIUM   | R    | DISPUTE | 27
        third parties not reported      || yes       | WEAK     | R    | INQUIRE | 27
        cheap, rebate below the payment || no        |          |      |         |
        within the band                 || no        |          |      |         |
        a third party paid the rest     || held back |          |      |         |
        flagged: paid at the 340B cost  || held back |          |      |         |
        reported as 340B by an entity   || held back |          |      |         |
        listed in the exclusion file    || held back |          |      |         |
        no list price                   || yes       | WEAK     | R    | INQUIRE | 27
        no list price, rebate below     || no        |          |      |         |
        nothing paid                    || no        |          |      |         |

        case                            || guards
        paid for a tenth                || THIRD_PARTY_PAYMENT PASSED, 340B_ACQUISITION_COST PASSED, LIST_PRICE PASSED
        third parties not reported      || THIRD_PARTY_PAYMENT UNCHECKED
        a third party paid the rest     || THIRD_PARTY_PAYMENT FAILED
        flagged: paid at the 340B cost  || 340B_ACQUISITION_COST FAILED
        reported as 340B by an entity   || 340B_ACQUISITION_COST FAILED
        listed in the exclusion file    || 340B_ACQUISITION_COST FAILED
        no list price                   || LIST_PRICE UNCHECKED

        case                            || says
        paid for a tenth                || paid $300.00 for them, 10 % of the wholesale acquisition cost of 2025Q3, while the rebate is 4 times the payment
        no list price                   || and paid $300.00 for them, while the rebate is 4 times the payment
        """,  # noqa: E501
        needs=("program", "units", "f23_rebate_to_paid"),
        no_slow_reading="many rows, patients or quarters far back: test_statistics_rules_property.py",
    ),
    Spec(
        "R036",
        Subject.INVOICE,
        LINE + "; medicaid_amount=380.00; f48_paid_per_unit=0.4; own_median_paid_per_unit=0.8",
        """
        case                            | total_amount | f21_paid_per_unit_to_market_price | market_price | market_price_effective_date | f48_paid_per_unit_z
        fiftieth of the market price    | 400.00       | 0.01                              | 40           | 2025-06-18                  | 1
        total not stated                | -            | 0.01                              | 40           | 2025-06-18                  | 1
        over fifty times                | 400.00       | 50.5                              | 0.0079       | 2025-06-18                  | 1
        at the bounds                   | 400.00       | 50                                | 0.008        | 2025-06-18                  | 4
        far from other states           | 400.00       | 1                                 | 0.4          | 2025-06-18                  | -4.5
        no market price for the product | 400.00       | -                                 | -            | -                           | -4.5
        public totals                   | 400.00       | 0.01                              | 40           | 2025-06-18                  | 1
        too few other states            | 400.00       | 1                                 | 0.4          | 2025-06-18                  | -4.5
        a correction by difference      | 400.00       | 0.01                              | 40           | 2025-06-18                  | 9
        nothing to compare with         | 400.00       | -                                 | -            | -                           | -

        case                            | peers | line_kind   | source_kind || fires | evidence | code | action  | units | guards
        fiftieth of the market price    | 200   | CURRENT     | INVOICE     || yes   | MEDIUM   | R    | DISPUTE | 990   | MARKET_PRICE PASSED
        total not stated                | 200   | CURRENT     | INVOICE     || yes   | MEDIUM   | R    | DISPUTE | 990   | MARKET_PRICE PASSED
        over fifty times                | 200   | CURRENT     | INVOICE     || yes   | MEDIUM   | R    | DISPUTE | 0     | MARKET_PRICE PASSED
        at the bounds                   | 200   | CURRENT     | INVOICE     || no    |          |      |         |       |
        far from other states           | 20    | CURRENT     | INVOICE     || yes   | MEDIUM   | R    | DISPUTE | 500   | MARKET_PRICE PASSED
        no market price for the product | 20    | CURRENT     | INVOICE     || yes   | WEAK     | R    | INQUIRE | 500   | MARKET_PRICE UNCHECKED
        public totals                   | 200   | CURRENT     | SDUD        || yes   | MEDIUM   | R    | INQUIRE | 990   |
        too few other states            | 19    | CURRENT     | INVOICE     || no    |          |      |         |       |
        a correction by difference      | 200   | PRIOR_DELTA | INVOICE     || no    |          |      |         |       |
        nothing to compare with         | -     | CURRENT     | INVOICE     || no    |          |      |         |       |

        case                            || says
        fiftieth of the market price    || with $400.00 reimbursed, $0.40 per unit; the market price in force since 2025-06-18 is $40.00 per unit
        total not stated                || with $380.00 reimbursed
        far from other states           || 20 lines of other states and quarters are paid quite differently per unit
        public totals                   || State AK reported
        """,  # noqa: E501
        needs=("program", "units_reimbursed", "f21_paid_per_unit_to_market_price"),
    ),
]
test_rule = rule_test(SPECS)
