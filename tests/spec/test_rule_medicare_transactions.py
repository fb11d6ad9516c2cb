"""R012: two open ICNs. R013: a refund on a claim that is not eligible."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, Spec, rule_test

REFUND = CLAIM + "; payer_id=MTF; mtf_icn=77; rebate_amount=120.00; date_of_service=2026-02-10"
SPECS = [
    Spec(
        "R012",
        Subject.REBATE_CLAIM,
        REFUND + "; duplicate_source_row_id=m-1; duplicate_source_row_ids=m-1; duplicate_claim_id=4700; "
        "duplicate_units_at_issue=30",
        """
        case                 | program  | date_of_service | duplicate_rule || fires | evidence | code | route       | action        | units | related
        two are open         | MFP      | 2026-02-10      | R012           || yes   | STRONG   | MRA  | FACILITATOR | PAY_AND_WATCH | 30    | m-1
        before MFP           | MFP      | 2025-12-31      | R012           || no    |          |      |             |               |       |
        none                 | MFP      | 2026-02-10      | -              || no    |          |      |             |               |       |
        repeated in Medicaid | MDRP_FFS | 2026-02-10      | R016           || no    |          |      |             |               |       |

        case                 || says
        two are open         || MTF requested an MFP refund ... under ICN 77 ... (claim 4700, row m-1) ... appears to be requested twice
        """,  # noqa: E501
        needs=("program", "units", "date_of_service", "duplicate_rule"),
    ),
    Spec(
        "R013",
        Subject.REBATE_CLAIM,
        REFUND,
        """
        case              | program | date_of_service | mtf_transaction_code | rebate_amount | mtf_is_adjusted || fires | evidence | code | route
        not eligible      | MFP     | 2026-02-10      | 009                  | 120.00        | no              || yes   | STRONG   | MRA  | FACILITATOR
        before MFP        | MFP     | 2025-12-31      | 009                  | 120.00        | no              || no    |          |      |
        its ICN not known | MFP     | 2026-02-10      | 009                  | 120.00        | -               || yes   | MEDIUM   | MRA  | FACILITATOR
        adjusted later    | MFP     | 2026-02-10      | 009                  | 120.00        | yes             || yes   | WEAK     | MRA  | FACILITATOR
        nothing asked     | MFP     | 2026-02-10      | 009                  | 0             | no              || no    |          |      |
        amount not given  | MFP     | 2026-02-10      | 009                  | -             | no              || no    |          |      |
        original          | MFP     | 2026-02-10      | 001                  | 120.00        | no              || no    |          |      |
        code not given    | MFP     | 2026-02-10      | -                    | 120.00        | no              || no    |          |      |

        case              || action        | units | guards                     | says
        not eligible      || PAY_AND_WATCH | 30    | LATER_ADJUSTMENT PASSED    | refund on 30 units ... of $120.00,
                          ||               |       |                            | yet the facilitator's transaction 009 ... appears to be due
        its ICN not known || PAY_AND_WATCH | 30    | LATER_ADJUSTMENT UNCHECKED |
        adjusted later    || PAY_AND_WATCH | 30    | LATER_ADJUSTMENT FAILED    |
        """,  # noqa: E501
        needs=("program", "units", "date_of_service", "mtf_transaction_code", "rebate_amount"),
    ),
]
test_rule = rule_test(SPECS)
