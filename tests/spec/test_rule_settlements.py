"""R059: units credited or repaid before, billed again."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, LINE, Spec, rule_test

SPECS = [
    Spec(
        "R059",
        Subject.REBATE_CLAIM,
        CLAIM + "; settled_on=2025-09-30",
        """
        case                | program    | settled_units | received_at | transaction | rebate_type || fires | evidence | code | route       | action
        credited in full    | MDRP_FFS   | 30            | 2025-10-20  | ORIGINAL    | -           || yes   | STRONG   | M    | STATE       | DISPUTE
        credited in part    | MDRP_MCO   | 10            | 2025-10-20  | ORIGINAL    | -           || yes   | MEDIUM   | M    | STATE       | DISPUTE
        more than was asked | MDRP_MCO   | 60            | 2025-10-20  | ORIGINAL    | -           || yes   | STRONG   | M    | STATE       | DISPUTE
        day not known       | MDRP_FFS   | 30            | -           | ORIGINAL    | -           || yes   | MEDIUM   | M    | STATE       | DISPUTE
        repaid to the PBM   | COMMERCIAL | 30            | 2025-10-20  | ORIGINAL    | BASE        || yes   | STRONG   | PBM  | PBM         | DISPUTE
        repaid MFP refund   | MFP        | 30            | 2025-10-20  | ORIGINAL    | -           || yes   | STRONG   | MRA  | FACILITATOR | PAY_AND_WATCH
        an adjustment       | MDRP_FFS   | 30            | 2025-10-20  | ADJUSTMENT  | -           || yes   | WEAK     | M    | STATE       | INQUIRE
        nothing settled     | MDRP_FFS   | -             | 2025-10-20  | ORIGINAL    | -           || no    |          |      |             |
        settled to nothing  | MDRP_FFS   | 0             | 2025-10-20  | ORIGINAL    | -           || no    |          |      |             |

        case                || units | guards
        credited in full    || 30    | PARTIAL_CREDIT PASSED, DAY_OF_RECEIPT PASSED, CORRECTION PASSED
        credited in part    || 10    | PARTIAL_CREDIT FAILED
        more than was asked || 30    |
        day not known       || 30    | DAY_OF_RECEIPT UNCHECKED
        repaid to the PBM   || 30    |
        repaid MFP refund   || 30    |
        an adjustment       || 30    | CORRECTION FAILED

        case                || says
        credited in full    || received 2025-10-20. 30 units of it were credited or repaid before, last on 2025-09-30 ... appear to be billed again
        credited in part    || 10 units of it
        repaid to the PBM   || requested a rebate or refund
        """,  # noqa: E501
        needs=("program", "units", "settled_units"),
    ),
    Spec(
        "R059",
        Subject.INVOICE,
        LINE + "; settled_on=2025-09-30",
        """
        case             | program  | settled_units | postmark_date | received_date | line_kind         || fires | evidence | code | action  | units
        credited in full | MDRP_FFS | 1000          | 2025-11-20    | 2025-11-22    | CURRENT           || yes   | STRONG   | M    | DISPUTE | 1000
        credited in part | MDRP_MCO | 10            | 2025-11-20    | -             | CURRENT           || yes   | MEDIUM   | M    | DISPUTE | 10
        day not known    | MDRP_FFS | 1000          | -             | -             | CURRENT           || yes   | MEDIUM   | M    | DISPUTE | 1000
        replaces a total | MDRP_MCO | 1000          | 2025-11-20    | -             | PRIOR_REPLACEMENT || yes   | WEAK     | M    | INQUIRE | 1000
        nothing settled  | MDRP_FFS | -             | 2025-11-20    | 2025-11-22    | CURRENT           || no    |          |      |         |

        case             || guards                                                          | says
        credited in full || PARTIAL_CREDIT PASSED, DAY_OF_RECEIPT PASSED, CORRECTION PASSED | received 2025-11-22. 1000 units of it were
        credited in part || PARTIAL_CREDIT FAILED                                           | received 2025-11-20
        day not known    || DAY_OF_RECEIPT UNCHECKED                                        |
        replaces a total || CORRECTION FAILED                                               |
        """,  # noqa: E501
        needs=("program", "units_reimbursed", "settled_units"),
    ),
]
test_rule = rule_test(SPECS)
