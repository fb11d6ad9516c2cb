"""R016-R019: one dispense asked for twice. Facts say which rule a pair belongs to, with the nearest earlier row."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, Spec, rule_test

PAIR = (
    CLAIM + "; program=MDRP_FFS; received_at=2025-11-02; duplicate_source_row_ids=r-1, r-2; "
    "duplicate_source_row_id=r-2; duplicate_program=MDRP_FFS; duplicate_payer_id=KY; duplicate_state=KY; "
    "duplicate_period=2025Q3; duplicate_claim_id=4700; duplicate_units=30; duplicate_units_at_issue=30; "
    "duplicate_received_at=2025-11-01; duplicate_amount_third_party=0"
)
NEEDS = ("program", "duplicate_rule", "units")

SPECS = [
    Spec(
        "R016",
        Subject.REBATE_CLAIM,
        PAIR,
        """
        case                                | duplicate_rule | amount_third_party | claim_type | modifiers | duplicate_modifiers | program
        second line                         | R016           | 0                  | RX         | -         | <&25&><&XX&>        | MDRP_FFS
        third parties not reported          | R016           | -                  | RX         | -         | <&25&><&XX&>        | MDRP_MCO
        taken back in part                  | R016           | 0                  | RX         | -         | <&25&><&XX&>        | MDRP_FFS
        secondary payer's part              | R016           | 12.50              | RX         | -         | <&25&><&XX&>        | MDRP_FFS
        discarded part of a vial            | R016           | 0                  | MEDICAL    | 25&JW     | <&25&><&XX&>        | MDRP_FFS
        nothing discarded is no excuse      | R016           | 0                  | MEDICAL    | JZ        | <&25&><&XX&>        | MDRP_FFS
        given after the discarded part      | R016           | 0                  | MEDICAL    | -         | <&JW&>              | MDRP_FFS
        discarded part twice                | R016           | 0                  | MEDICAL    | 25&JW     | <&XX&><&25&JW&>     | MDRP_FFS
        given twice, discarded part between | R016           | 0                  | MEDICAL    | -         | <&JW&><&&>          | MDRP_FFS
        waste is a medical matter           | R016           | 0                  | RX         | JW        | <&25&><&XX&>        | MDRP_FFS
        no earlier row                      | -              | 0                  | RX         | -         | -                   | MDRP_FFS
        another kind of pair                | R017           | 0                  | RX         | -         | <&25&><&XX&>        | MDRP_FFS
        no refund is a rebate               | R016           | 0                  | RX         | -         | <&25&><&XX&>        | MFP

        case                                | duplicate_units_at_issue || fires     | evidence | code | action  | party | units | related
        second line                         | 30                       || yes       | STRONG   | M    | DISPUTE | STATE | 30    | r-1,r-2
        third parties not reported          | 30                       || yes       | MEDIUM   | M    | DISPUTE | STATE | 30    | r-1,r-2
        taken back in part                  | 20                       || yes       | STRONG   | M    | DISPUTE | STATE | 20    | r-1,r-2
        secondary payer's part              | 30                       || held back |          |      |         |       |       |
        discarded part of a vial            | 30                       || held back |          |      |         |       |       |
        nothing discarded is no excuse      | 30                       || yes       | STRONG   | M    | DISPUTE | STATE | 30    | r-1,r-2
        given after the discarded part      | 30                       || held back |          |      |         |       |       |
        discarded part twice                | 30                       || yes       | STRONG   | M    | DISPUTE | STATE | 30    | r-1,r-2
        given twice, discarded part between | 30                       || yes       | STRONG   | M    | DISPUTE | STATE | 30    | r-1,r-2
        waste is a medical matter           | 30                       || yes       | STRONG   | M    | DISPUTE | STATE | 30    | r-1,r-2
        no earlier row                      | 30                       || no        |          |      |         |       |       |
        another kind of pair                | 30                       || no        |          |      |         |       |       |
        no refund is a rebate               | 30                       || no        |          |      |         |       |       |

        case                                || guards
        second line                         || OTHER_PAYERS_PART PASSED, WASTE_LINE PASSED, SAME_CONTRACT PASSED
        third parties not reported          || OTHER_PAYERS_PART UNCHECKED
        taken back in part                  || OTHER_PAYERS_PART PASSED
        secondary payer's part              || OTHER_PAYERS_PART FAILED
        discarded part of a vial            || WASTE_LINE FAILED
        nothing discarded is no excuse      || WASTE_LINE PASSED
        given after the discarded part      || WASTE_LINE FAILED
        discarded part twice                || WASTE_LINE PASSED
        given twice, discarded part between || WASTE_LINE PASSED
        waste is a medical matter           || WASTE_LINE PASSED

        case                                || says
        second line                         || claim 4711 line 1 ... received 2025-11-02 ... billed before: 30 units, claim 4700 ... row r-2,
                                            || received 2025-11-01
        taken back in part                  || only one of the two can be due; lines with units below zero leave 20 of its units.
        """,  # noqa: E501
        NEEDS,
    ),
    Spec(
        "R016",
        Subject.REBATE_CLAIM,
        PAIR + "; amount_third_party=40; duplicate_amount_third_party=40; payer_id=PBM1; "
        "duplicate_payer_id=PBM1; duplicate_state=-; duplicate_program=COMMERCIAL; program=COMMERCIAL",
        """
        case                             | duplicate_rule | rebate_type | contract_id | duplicate_contract_id | payer_contracts || fires | evidence | code
        a PBM twice, third parties alike | R016           | BASE        | C-1         | C-1                   | 2               || yes   | STRONG   | PBM
        the payer's only contract        | R016           | BASE        | C-1         | -                     | 1               || yes   | STRONG   | PBM
        which contract is open           | R016           | BASE        | C-1         | -                     | 2               || yes   | MEDIUM   | PBM
        two kinds of business            | R017           | BASE        | C-1         | C-1                   | 2               || no    |          |
        no contract is known             | R016           | BASE        | -           | -                     | -               || yes   | STRONG   | PBM

        case                             || route | action  | party | guards
        a PBM twice, third parties alike || PBM   | DISPUTE | PBM   | OTHER_PAYERS_PART PASSED, SAME_CONTRACT PASSED
        the payer's only contract        || PBM   | DISPUTE | PBM   | SAME_CONTRACT PASSED
        which contract is open           || PBM   | DISPUTE | PBM   | SAME_CONTRACT UNCHECKED
        no contract is known             || PBM   | DISPUTE | PBM   | SAME_CONTRACT PASSED

        case                             || says
        a PBM twice, third parties alike || PBM1 requested a rebate ... billed before: 30 units, claim 4700, commercial, payer PBM1, period 2025Q3
        """,  # noqa: E501
        NEEDS,
    ),
    Spec(
        "R017",
        Subject.REBATE_CLAIM,
        PAIR + "; duplicate_program=MDRP_MCO",
        """
        case                        | duplicate_rule | program  || fires | evidence | code | action  | party        | related
        fee-for-service and managed | R017           | MDRP_FFS || yes   | MEDIUM   | M    | INQUIRE | UNDETERMINED | r-1,r-2
        one program                 | R016           | MDRP_FFS || no    |          |      |         |              |
        no earlier row              | -              | MDRP_FFS || no    |          |      |         |              |

        case                        || says
        fee-for-service and managed || claim 4700, Medicaid managed care, state KY, period 2025Q3 ... which one is open
        """,  # noqa: E501
        NEEDS,
    ),
    Spec(
        "R018",
        Subject.REBATE_CLAIM,
        PAIR + "; duplicate_state=OH; duplicate_payer_id=OH",
        """
        case       | duplicate_rule | program  || fires | evidence | code | action  | party        | related
        two states | R018           | MDRP_MCO || yes   | MEDIUM   | M    | INQUIRE | UNDETERMINED | r-1,r-2
        one state  | R017           | MDRP_MCO || no    |          |      |         |              |

        case       || says
        two states || State KY invoiced ... state OH ... which one is open
        """,
        NEEDS,
    ),
    Spec(
        "R019",
        Subject.REBATE_CLAIM,
        PAIR + "; duplicate_period=2025Q2",
        """
        case                         | duplicate_rule | duplicate_claim_id | transaction || fires | evidence | code | action  | party
        same claim number            | R019           | 4711               | ORIGINAL    || yes   | STRONG   | M    | DISPUTE | STATE
        another claim number         | R019           | 4700               | ORIGINAL    || yes   | MEDIUM   | M    | DISPUTE | STATE
        claim number not known       | R019           | -                  | ORIGINAL    || yes   | MEDIUM   | M    | DISPUTE | STATE
        correction without its prior | R019           | 4711               | ADJUSTMENT  || yes   | MEDIUM   | M    | DISPUTE | STATE
        one period                   | R016           | 4711               | ORIGINAL    || no    |          |      |         |

        case                         || guards                                  | says
        same claim number            || CORRECTION PASSED                       | period 2025Q2 ... counted in both periods
        another claim number         || CORRECTION PASSED                       |
        claim number not known       || CORRECTION PASSED                       |
        correction without its prior || CORRECTION FAILED, SAME_CONTRACT PASSED |
        """,  # noqa: E501
        NEEDS,
    ),
    Spec(
        "R019",
        Subject.REBATE_CLAIM,
        PAIR + "; duplicate_rule=R019; duplicate_period=2025Q2; duplicate_claim_id=4711; payer_id=PBM1; program=PARTD; "
        "duplicate_payer_id=PBM1; duplicate_program=PARTD; duplicate_state=-",
        """
        case                   | contract_id | duplicate_contract_id | payer_contracts || fires | evidence | code | action  | party | guards
        a PBM in two periods   | C-1         | C-1                   | 3               || yes   | STRONG   | PBM  | DISPUTE | PBM   | SAME_CONTRACT PASSED
        which contract is open | -           | C-1                   | 3               || yes   | MEDIUM   | PBM  | DISPUTE | PBM   | SAME_CONTRACT UNCHECKED
        """,  # noqa: E501
        NEEDS,
    ),
    Spec(
        "R057",
        Subject.REBATE_CLAIM,
        CLAIM + "; elsewhere_payer_id=P-7; elsewhere_claim_id=88; elsewhere_source_row_id=c-1",
        """
        case                   | program    | elsewhere_program | elsewhere_is_secondary || fires     | evidence | code | route       | action  | units
        PBM after Medicaid     | COMMERCIAL | MDRP_FFS          | no                     || yes       | MEDIUM   | PBM  | PBM         | INQUIRE | 30
        Medicaid after PBM     | MDRP_MCO   | COMMERCIAL        | no                     || yes       | MEDIUM   | -    | STATE       | INQUIRE | 30
        others' part not known | MDRP_MCO   | COMMERCIAL        | -                      || yes       | WEAK     | -    | STATE       | INQUIRE | 30
        Medicaid paid the rest | COMMERCIAL | MDRP_MCO          | yes                    || held back |          |      |             |         |
        Part D and Medicaid    | PARTD      | MDRP_MCO          | no                     || yes       | WEAK     | PBM  | PBM         | INQUIRE | 30
        MFP and Medicaid       | MFP        | MDRP_MCO          | no                     || yes       | WEAK     | MRA  | FACILITATOR | INQUIRE | 30
        Medicaid after Part D  | MDRP_FFS   | PARTD             | no                     || yes       | WEAK     | -    | STATE       | INQUIRE | 30
        nobody else asks       | COMMERCIAL | -                 | -                      || no        |          |      |             |         |

        case                   || related | guards
        PBM after Medicaid     || c-1     | MEDICAID_SECONDARY PASSED, PART_D_DUAL PASSED
        Medicaid after PBM     || c-1     |
        others' part not known || c-1     | MEDICAID_SECONDARY UNCHECKED
        Medicaid paid the rest ||         | MEDICAID_SECONDARY FAILED
        Part D and Medicaid    || c-1     | PART_D_DUAL FAILED
        MFP and Medicaid       || c-1     | PART_D_DUAL FAILED
        Medicaid after Part D  || c-1     | PART_D_DUAL FAILED

        case                   || says
        PBM after Medicaid     || The same dispense is billed by another program as well (Medicaid fee-for-service): payer P-7, claim 88,
                               || row c-1. Two programs appear
        Medicaid after PBM     || State KY invoiced ... as well (commercial)
        """,  # noqa: E501
        needs=("program", "units", "elsewhere_program"),
    ),
]
test_rule = rule_test(SPECS)
