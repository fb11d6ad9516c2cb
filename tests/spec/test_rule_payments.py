"""R020: reversed by the pharmacy and invoiced all the same. R021: nobody paid. R055: never credited."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, Spec, rule_test

# 2025Q3 ends on 2025-09-30; 60 days later is 2025-11-29.
SPECS = [
    Spec(
        "R020",
        Subject.REBATE_CLAIM,
        CLAIM + "; pharmacy_reversal_source_row_id=p-9",
        """
        case                                | program    | pharmacy_is_reversed | pharmacy_reversed_at | received_at         | amount_paid || fires | evidence
        reversed before receipt             | MDRP_FFS   | yes                  | 2025-08-03           | 2025-10-20          | 300.00      || yes   | STRONG
        on the day of receipt, but later    | MDRP_MCO   | yes                  | 2025-10-20T23:00:00  | 2025-10-20T08:00:00 | 300.00      || yes   | STRONG
        the day after receipt               | MDRP_FFS   | yes                  | 2025-10-21           | 2025-10-20          | 300.00      || yes   | WEAK
        nothing was paid                    | MDRP_FFS   | yes                  | 2025-08-03           | 2025-10-20          | 0           || yes   | STRONG
        nothing was paid, reversed too late | MDRP_FFS   | yes                  | 2025-10-21           | 2025-10-20          | 0           || yes   | WEAK
        payment not known                   | MDRP_FFS   | yes                  | 2025-08-03           | 2025-10-20          | -           || yes   | STRONG
        no receipt, last day of the cut-off | MDRP_FFS   | yes                  | 2025-11-29           | -                   | 300.00      || yes   | STRONG
        no receipt, after the cut-off       | MDRP_FFS   | yes                  | 2025-11-30           | -                   | 300.00      || yes   | WEAK
        day of the reversal not known       | MDRP_FFS   | yes                  | -                    | 2025-10-20          | 300.00      || yes   | WEAK
        reversed and billed again           | MDRP_FFS   | no                   | 2025-08-03           | 2025-10-20          | 300.00      || no    |
        no transactions of the pharmacy     | MDRP_FFS   | -                    | -                    | 2025-10-20          | 300.00      || no    |
        under a Part D contract             | PARTD      | yes                  | 2025-08-03           | 2025-10-20          | 300.00      || yes   | STRONG
        a PBM that paid nothing             | COMMERCIAL | yes                  | 2025-08-03           | 2025-10-20          | 0           || yes   | STRONG
        a PBM, reversed too late            | COMMERCIAL | yes                  | 2025-10-21           | 2025-10-20          | 300.00      || yes   | WEAK
        a refund under the MFP              | MFP        | yes                  | 2025-08-03           | 2025-10-20          | 300.00      || no    |

        case                                || code | action        | related | says
        reversed before receipt             || M    | DISPUTE       | p-9     | a reversal of 2025-08-03 (row p-9); the cut-off for this row is 2025-10-20 ...
                                            ||      |               |         | was reversed
        on the day of receipt, but later    || M    | DISPUTE       | p-9     |
        the day after receipt               || M    | PAY_AND_WATCH | p-9     | a credit on a later one is to be expected
        nothing was paid                    || J    | DISPUTE       | p-9     |
        nothing was paid, reversed too late || J    | PAY_AND_WATCH | p-9     |
        payment not known                   || M    | DISPUTE       | p-9     |
        no receipt, last day of the cut-off || M    | DISPUTE       | p-9     | the cut-off for this row is 2025-11-29
        no receipt, after the cut-off       || M    | PAY_AND_WATCH | p-9     |
        day of the reversal not known       || M    | PAY_AND_WATCH | p-9     | The day of the reversal is not known
        under a Part D contract             || PBM  | DISPUTE       | p-9     | requested a rebate on 30 units ... was reversed
        a PBM that paid nothing             || PBM  | DISPUTE       | p-9     |
        a PBM, reversed too late            || PBM  | PAY_AND_WATCH | p-9     |
        """,  # noqa: E501
        needs=("program", "pharmacy_is_reversed", "units"),
    ),
    Spec(
        "R055",
        Subject.REBATE_CLAIM,
        CLAIM
        + "; program=MDRP_FFS; pharmacy_is_reversed=yes; pharmacy_reversed_at=2025-09-30; received_at=2025-09-18; "
        "f38_reversal_lag=12",
        """
        case                          | corrected_down_units || fires | evidence | action  | guards
        no correction                 | -                    || yes   | STRONG   | DISPUTE | CORRECTED_INVOICE PASSED
        of fewer units                | 29                   || yes   | STRONG   | DISPUTE | CORRECTED_INVOICE PASSED
        as many units are taken off   | 30                   || yes   | WEAK     | INQUIRE | CORRECTED_INVOICE FAILED
        """,
        needs=("program", "pharmacy_is_reversed", "pharmacy_reversed_at", "f38_reversal_lag", "units"),
    ),
    Spec(
        "R021",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case                       | program  | amount_paid | amount_third_party || fires     | evidence | code | action  | party
        nobody paid                | MDRP_FFS | 0           | 0                  || yes       | MEDIUM   | J    | DISPUTE | STATE
        third parties not reported | MDRP_FFS | 0           | -                  || yes       | WEAK     | J    | INQUIRE | STATE
        another insurer paid       | MDRP_FFS | 0           | 80.00              || held back |          |      |         |
        the state paid a cent      | MDRP_FFS | 0.01        | 0                  || no        |          |      |         |
        payment not reported       | MDRP_FFS | -           | 0                  || no        |          |      |         |
        plans pay by the head      | MDRP_MCO | 0           | 0                  || no        |          |      |         |

        case                       || guards                        | says
        nobody paid                || THIRD_PARTY_PAYMENT PASSED    | a payment of $0.00 by the state and $0.00 from third parties
        third parties not reported || THIRD_PARTY_PAYMENT UNCHECKED | a payment of $0.00 by the state. The units
        another insurer paid       || THIRD_PARTY_PAYMENT FAILED    |
        """,  # noqa: E501
        needs=("program", "amount_paid", "units"),
    ),
    Spec(
        "R055",
        Subject.REBATE_CLAIM,
        CLAIM + "; pharmacy_reversal_source_row_id=p-9",
        """
        case                          | program  | pharmacy_is_reversed | pharmacy_reversed_at | f38_reversal_lag | received_at | settled_since_units
        credit was due on 2026-02-28? | MDRP_FFS | yes                  | 2025-12-20           | 12               | 2025-09-18  | -
        credit was due before         | MDRP_FFS | yes                  | 2025-09-30           | 12               | 2025-09-18  | -
        in time: R020 disputes it     | MDRP_MCO | yes                  | 2025-09-30           | 0                | 2025-09-18  | -
        not reversed                  | MDRP_MCO | no                   | -                    | -                | 2025-09-18  | -
        day not known                 | MDRP_MCO | yes                  | -                    | -                | 2025-09-18  | -
        credited since                | MDRP_FFS | yes                  | 2025-09-30           | 12               | 2025-09-18  | 30
        credited in part              | MDRP_FFS | yes                  | 2025-09-30           | 12               | 2025-09-18  | 10
        credited before the row came  | MDRP_FFS | yes                  | 2025-09-30           | 12               | 2025-09-18  | -
        receipt not known, credited   | MDRP_FFS | yes                  | 2025-09-30           | 12               | -           | -
        receipt not known, no credit  | MDRP_FFS | yes                  | 2025-09-30           | 12               | -           | -
        a credit may be quarantined   | MDRP_FFS | yes                  | 2025-09-30           | 12               | 2025-09-18  | -
        nothing quarantined is of it  | MDRP_FFS | yes                  | 2025-09-30           | 12               | 2025-09-18  | -

        case                          | settled_units | quarantined_claim_rows || fires     | evidence | code | action  | units | related
        credit was due on 2026-02-28? | -             | -                      || no        |          |      |         |       |
        credit was due before         | -             | -                      || yes       | STRONG   | M    | DISPUTE | 30    | p-9
        in time: R020 disputes it     | -             | -                      || no        |          |      |         |       |
        not reversed                  | -             | -                      || no        |          |      |         |       |
        day not known                 | -             | -                      || no        |          |      |         |       |
        credited since                | -             | -                      || held back |          |      |         |       |
        credited in part              | -             | -                      || yes       | STRONG   | M    | DISPUTE | 30    | p-9
        credited before the row came  | 30            | -                      || yes       | STRONG   | M    | DISPUTE | 30    | p-9
        receipt not known, credited   | 30            | -                      || yes       | MEDIUM   | M    | DISPUTE | 30    | p-9
        receipt not known, no credit  | -             | -                      || yes       | STRONG   | M    | DISPUTE | 30    | p-9
        a credit may be quarantined   | -             | 2                      || yes       | MEDIUM   | M    | DISPUTE | 30    | p-9
        nothing quarantined is of it  | -             | 0                      || yes       | STRONG   | M    | DISPUTE | 30    | p-9

        case                          || guards
        credit was due before         || CREDITED PASSED
        credited since                || CREDITED FAILED
        credited in part              || CREDITED PASSED
        credited before the row came  || CREDITED PASSED
        receipt not known, credited   || CREDITED UNCHECKED
        receipt not known, no credit  || CREDITED PASSED
        a credit may be quarantined   || CREDITED PASSED, QUARANTINED_CREDITS UNCHECKED
        nothing quarantined is of it  || QUARANTINED_CREDITS PASSED

        case                          || says
        credit was due before         || reversed this dispense on 2025-09-30 (row p-9), after the cut-off ... due by 2025-11-29 ... and has not come: ...
                                      || appear to remain invoiced
        credited in part              || has not come in full
        """,  # noqa: E501
        needs=("program", "units", "pharmacy_is_reversed", "pharmacy_reversed_at", "f38_reversal_lag"),
    ),
]
test_rule = rule_test(SPECS)
