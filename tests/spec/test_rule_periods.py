"""R040: the twelve-quarter bar. R041: stale claims. R054: another quarter. Today is 2026-03-01."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, LINE, Spec, rule_test

SPECS = [
    Spec(
        "R054",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case                                 | program  | date_of_service | paid_date  | period | invoice_period | transaction || fires | evidence | code
        managed care, by payment             | MDRP_MCO | 2025-06-30      | 2025-07-05 | 2025Q3 | -              | ORIGINAL    || yes   | STRONG   | Y
        managed care, by service             | MDRP_MCO | 2025-06-30      | 2025-07-05 | 2025Q2 | -              | ORIGINAL    || no    |          |
        managed care, an adjustment          | MDRP_MCO | 2025-06-30      | 2025-07-05 | 2025Q3 | -              | ADJUSTMENT  || yes   | STRONG   | Y
        fee-for-service, by service          | MDRP_FFS | 2025-06-30      | 2025-07-05 | 2025Q2 | -              | ORIGINAL    || yes   | STRONG   | -
        fee-for-service, by payment          | MDRP_FFS | 2025-06-30      | 2025-07-05 | 2025Q3 | -              | ORIGINAL    || no    |          |
        fee-for-service, an adjustment       | MDRP_FFS | 2025-06-30      | 2025-07-05 | 2025Q2 | -              | ADJUSTMENT  || yes   | WEAK     | -
        on the invoice of that very quarter  | MDRP_MCO | 2025-06-30      | 2025-07-05 | 2025Q3 | 2025Q3         | ORIGINAL    || yes   | STRONG   | Y
        asked for on a later invoice         | MDRP_MCO | 2025-06-30      | 2025-07-05 | 2025Q1 | 2025Q3         | ORIGINAL    || yes   | STRONG   | Y
        fee-for-service, not known when paid | MDRP_FFS | 2025-06-30      | -          | 2025Q3 | -              | ORIGINAL    || no    |          |
        not Medicaid                         | PARTD    | 2025-06-30      | 2025-07-05 | 2025Q3 | -              | ORIGINAL    || no    |          |

        case                                 || action  | units | guards
        managed care, by payment             || INQUIRE | 0     | DATE_OF_ADJUSTMENT PASSED
        managed care, an adjustment          || INQUIRE | 0     | DATE_OF_ADJUSTMENT PASSED
        fee-for-service, by service          || INQUIRE | 0     |
        fee-for-service, an adjustment       || INQUIRE | 0     | DATE_OF_ADJUSTMENT FAILED
        on the invoice of that very quarter  || INQUIRE | 0     | DATE_OF_ADJUSTMENT PASSED
        asked for on a later invoice         || INQUIRE | 0     | DATE_OF_ADJUSTMENT PASSED

        case                                 || says
        managed care, by payment             || belong to 2025Q2, the quarter of service, but were invoiced for 2025Q3
        fee-for-service, by service          || belong to 2025Q3, the quarter of payment (2025-07-05), but were invoiced for 2025Q2
        """,  # noqa: E501
        needs=("program", "units", "period", "date_of_service"),
    ),
    Spec(
        "R041",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case         | program  | paid_date  | f44_claim_age_days || fires | evidence | code | action | units | says
        366 days     | MDRP_FFS | 2026-08-02 | 366                || yes   | CONTEXT  | -    | NONE   | -     | paid on 2026-08-02, 366 days after the service
        365 days     | MDRP_FFS | 2026-08-01 | 365                || no    |          |      |        |       |
        managed care | MDRP_MCO | 2026-08-02 | 366                || no    |          |      |        |       |
        not known    | MDRP_FFS | -          | -                  || no    |          |      |        |       |
        """,  # noqa: E501
        needs=("program", "units", "f44_claim_age_days"),
    ),
    Spec(
        "R040",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case                           | program  | period | invoice_period | units || fires | evidence | code | action | guards
        both readings are past         | MDRP_FFS | 2022Q3 | -              | 30    || yes   | CONTEXT  | -    | NONE   | IN_TIME PASSED
        past by the period alone       | MDRP_MCO | 2022Q4 | -              | 30    || yes   | CONTEXT  | -    | NONE   | IN_TIME FAILED
        old period on a new invoice    | MDRP_MCO | 2020Q1 | 2023Q2         | 30    || yes   | CONTEXT  | -    | NONE   | IN_TIME FAILED
        eleven quarters before the bar | MDRP_MCO | 2023Q3 | -              | 30    || no    |          |      |        |
        new                            | MDRP_MCO | 2025Q3 | -              | 30    || no    |          |      |        |
        a credit                       | MDRP_FFS | 2022Q3 | -              | -30   || yes   | CONTEXT  | -    | NONE   |
        not Medicaid                   | PARTD    | 2022Q3 | -              | 30    || no    |          |      |        |

        case                           || says
        both readings are past         || 13 have passed since the invoice, 14 since the period covered. It appears to be barred
        past by the period alone       || 12 have passed since the invoice, 13 since ... or may be late
        old period on a new invoice    || 10 have passed
        """,  # noqa: E501
        needs=("program", "period"),
        no_slow_reading="many rows, patients or quarters far back: test_statistics_rules_property.py",
    ),
    Spec(
        "R040",
        Subject.INVOICE,
        LINE,
        """
        case                    | program  | period | postmark_date | received_date | source_kind || fires | evidence | code | action | guards
        both readings are past  | MDRP_FFS | 2022Q3 | 2022-11-20    | -             | INVOICE     || yes   | CONTEXT  | -    | NONE   | IN_TIME PASSED
        sent late               | MDRP_MCO | 2022Q3 | -             | 2023-01-02    | INVOICE     || yes   | CONTEXT  | -    | NONE   | IN_TIME FAILED
        not known when sent     | MDRP_MCO | 2022Q3 | -             | -             | INVOICE     || yes   | CONTEXT  | -    | NONE   | IN_TIME PASSED
        public utilisation data | MDRP_MCO | 2022Q3 | -             | -             | SDUD        || no    |          |      |        |
        new                     | MDRP_MCO | 2025Q3 | 2025-11-20    | -             | INVOICE     || no    |          |      |        |

        case                    || says
        both readings are past  || 13 have passed since the invoice, 14 since the period covered. It appears to be barred
        sent late               || 12 have passed since the invoice, 14 since
        not known when sent     || 13 have passed
        """,  # noqa: E501
        needs=("program", "source_kind"),
    ),
]
test_rule = rule_test(SPECS)
