"""R022, R023: units of products terminated for over a year, or less. R024: service before the product's market date."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, LINE, Spec, rule_test

# Service on 2025-08-01, 365 days after 2024-08-01. The line's period begins on 2025-07-01, 365 days after 2024-07-01.
SPECS = [
    Spec(
        "R022",
        Subject.REBATE_CLAIM,
        CLAIM + "; product_snapshot_date=2025-07-01",
        """
        case                               | program  | termination_date | reactivation_date || fires     | evidence | code | action  | units
        366 days after                     | MDRP_FFS | 2024-07-31       | -                 || yes       | STRONG   | N    | DISPUTE | 30
        365 days after                     | MDRP_FFS | 2024-08-01       | -                 || no        |          |      |         |
        reactivated before the service     | MDRP_MCO | 2020-01-31       | 2025-08-01        || held back |          |      |         |
        reactivated after the service      | MDRP_MCO | 2020-01-31       | 2025-08-02        || yes       | STRONG   | N    | DISPUTE | 30
        reactivated before the termination | MDRP_FFS | 2020-01-31       | 2019-06-01        || yes       | STRONG   | N    | DISPUTE | 30
        under a Part D contract            | PARTD    | 2024-07-31       | -                 || yes       | STRONG   | PBM  | DISPUTE | 30
        a refund under the MFP             | MFP      | 2024-07-31       | -                 || no        |          |      |         |
        in the market                      | MDRP_FFS | -                | -                 || no        |          |      |         |

        case                               || guards             | says
        366 days after                     || REACTIVATED PASSED | service on 2025-08-01 ... termination date is 2024-07-31 (product file of 2025-07-01),
                                           ||                    | 366 days before the service ... appears
        reactivated before the service     || REACTIVATED FAILED |
        reactivated after the service      || REACTIVATED PASSED | its reactivation on 2025-08-02 does not cover the service
        reactivated before the termination || REACTIVATED PASSED |
        under a Part D contract            || REACTIVATED PASSED | requested a rebate on 30 units ... 366 days before the service
        """,  # noqa: E501
        needs=("program", "termination_date", "date_of_service", "units"),
    ),
    Spec(
        "R022",
        Subject.INVOICE,
        LINE,
        """
        case                           | termination_date | reactivation_date | own_quarters | last_quarter_with_units | suppressed | source_kind
        period began 366 days after    | 2024-06-30       | -                 | 1            | 2025Q3                  | no         | INVOICE
        even an older fill is late     | 2023-06-30       | -                 | 1            | 2025Q3                  | no         | INVOICE
        an older fill is just in time  | 2023-07-02       | -                 | 1            | 2025Q3                  | no         | INVOICE
        period began 365 days after    | 2024-07-01       | -                 | 1            | 2025Q3                  | no         | INVOICE
        steady use: is the date right? | 2021-03-31       | -                 | 4            | 2025Q3                  | no         | SDUD
        a few late quarters            | 2021-03-31       | -                 | 3            | 2025Q3                  | no         | SDUD
        many quarters, but soon over   | 2024-01-31       | -                 | 9            | 2025Q3                  | no         | INVOICE
        history not known              | 2021-03-31       | -                 | -            | -                       | no         | INVOICE
        reactivated before the period  | 2021-03-31       | 2025-07-01        | 4            | 2025Q3                  | no         | INVOICE
        reactivated in the period      | 2021-03-31       | 2025-07-02        | 4            | 2025Q3                  | no         | INVOICE
        numbers withheld               | 2021-03-31       | -                 | 4            | 2025Q3                  | yes        | SDUD
        a credit                       | 2021-03-31       | -                 | 4            | 2025Q3                  | no         | INVOICE

        case                           | units_reimbursed || fires     | evidence | code | action          | party        | guards
        period began 366 days after    | 1000             || yes       | MEDIUM   | -    | REQUEST_CLD     | UNDETERMINED | REACTIVATED PASSED
        even an older fill is late     | 1000             || yes       | MEDIUM   | -    | REQUEST_CLD     | UNDETERMINED |
        an older fill is just in time  | 1000             || yes       | MEDIUM   | -    | REQUEST_CLD     | UNDETERMINED |
        period began 365 days after    | 1000             || no        |          |      |                 |              |
        steady use: is the date right? | 1000             || yes       | MEDIUM   | -    | CHECK_REFERENCE | OURSELVES    |
        a few late quarters            | 1000             || yes       | MEDIUM   | -    | REQUEST_CLD     | UNDETERMINED |
        many quarters, but soon over   | 1000             || yes       | MEDIUM   | -    | REQUEST_CLD     | UNDETERMINED |
        history not known              | 1000             || yes       | MEDIUM   | -    | REQUEST_CLD     | UNDETERMINED |
        reactivated before the period  | 1000             || held back |          |      |                 |              | REACTIVATED FAILED
        reactivated in the period      | 1000             || yes       | MEDIUM   | -    | CHECK_REFERENCE | OURSELVES    | REACTIVATED PASSED
        numbers withheld               | 1000             || no        |          |      |                 |              |
        a credit                       | -10              || no        |          |      |                 |              |

        case                           || says
        period began 366 days after    || State AK invoiced 1000 units ... termination date is 2024-06-30,
                                       || 366 days before the period began; a fill 12 months earlier would have been in time
        even an older fill is late     || even a fill 12 months earlier would have been late
        an older fill is just in time  || would have been in time
        steady use: is the date right? || State AK reported ... in 4 quarters and up to 2025Q3: the termination date itself may be wrong
        """,  # noqa: E501
        needs=("program", "termination_date", "period_start", "units_reimbursed"),
    ),
    Spec(
        "R024",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case                    | program  | market_date | product_first_market_date || fires | evidence | code | action  | units | guards
        a day before the market | MDRP_FFS | 2025-08-02  | 2025-08-02                || yes   | MEDIUM   | O    | DISPUTE | 30    | MARKET_DATE_REVISED PASSED
        the date was revised    | MDRP_FFS | 2025-08-02  | 2025-08-01                || yes   | WEAK     | O    | INQUIRE | 30    | MARKET_DATE_REVISED FAILED
        on its first day        | MDRP_FFS | 2025-08-01  | 2025-08-01                || no    |          |      |         |       |
        market date not known   | MDRP_FFS | -           | -                         || no    |          |      |         |       |
        not a Medicaid claim    | MFP      | 2025-08-02  | 2025-08-02                || no    |          |      |         |       |

        case                    || says
        a day before the market || came to market on 2025-08-02, 1 day after the service
        """,  # noqa: E501
        needs=("program", "market_date", "date_of_service", "units"),
    ),
    Spec(
        "R023",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case            | program  | termination_date | reactivation_date || fires     | evidence | code | action | units | guards
        365 days after  | MDRP_FFS | 2024-08-01       | -                 || yes       | WEAK     | -    | NONE   | -     | REACTIVATED PASSED
        a day after     | MDRP_MCO | 2025-07-31       | -                 || yes       | WEAK     | -    | NONE   | -     |
        on the last day | MDRP_FFS | 2025-08-01       | -                 || no        |          |      |        |       |
        366 days after  | MDRP_FFS | 2024-07-31       | -                 || no        |          |      |        |       |
        reactivated     | MDRP_FFS | 2025-01-31       | 2025-08-01        || held back |          |      |        |       | REACTIVATED FAILED
        in the market   | MDRP_FFS | -                | -                 || no        |          |      |        |       |

        case            || says
        365 days after  || termination date is 2024-08-01, 365 days before the service, which may still be in order
        """,  # noqa: E501
        needs=("program", "termination_date", "date_of_service", "units"),
    ),
]
test_rule = rule_test(SPECS)
