"""R031: HCPCS units as NDC units. R032: HCPCS code of another product."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, Spec, rule_test

# 4 HCPCS units of 100 mcg; a vial of 200 mcg per ML: 2 ML.
MEDICAL = CLAIM + "; claim_type=MEDICAL; rx_number=-; hcpcs_code=J1234; units=4; ndc_units=4; hcpcs_units=4"
SPECS = [
    Spec(
        "R031",
        Subject.REBATE_CLAIM,
        MEDICAL,
        """
        case                          | program    | hcpcs_units | hcpcs_factor | units_basis | modifiers | claim_type || fires     | evidence | code | action
        equal though a unit is half   | MDRP_FFS   | 4           | 0.5          | NDC         | -         | MEDICAL    || yes       | STRONG   | K    | DISPUTE
        basis not given               | MDRP_MCO   | 4           | 0.5          | -           | JZ        | MEDICAL    || yes       | STRONG   | K    | DISPUTE
        conversion makes more of them | MDRP_FFS   | 4           | 10           | NDC         | -         | MEDICAL    || yes       | STRONG   | K    | INQUIRE
        one unit is one unit          | MDRP_FFS   | 4           | 1            | NDC         | -         | MEDICAL    || no        |          |      |
        converted                     | MDRP_FFS   | 8           | 0.5          | NDC         | -         | MEDICAL    || no        |          |      |
        stated in HCPCS units         | MDRP_FFS   | 4           | 0.5          | HCPCS       | -         | MEDICAL    || no        |          |      |
        waste line                    | MDRP_FFS   | 4           | 0.5          | NDC         | XX&JW     | MEDICAL    || held back |          |      |
        no crosswalk row              | MDRP_FFS   | 4           | -            | NDC         | -         | MEDICAL    || no        |          |      |
        no HCPCS units                | MDRP_FFS   | -           | 0.5          | NDC         | -         | MEDICAL    || no        |          |      |
        under a contract              | COMMERCIAL | 4           | 0.5          | NDC         | -         | MEDICAL    || yes       | STRONG   | PBM  | DISPUTE
        a refund under the MFP        | MFP        | 4           | 0.5          | NDC         | -         | MEDICAL    || no        |          |      |

        case                          || units | guards            | says
        equal though a unit is half   || 2     | WASTE_LINE PASSED | invoiced 4 units ... as many HCPCS units of J1234 ... is 0.5 NDC units of this product,
                                      ||       |                   | so 4 HCPCS units make 2 ... appear to have been
        basis not given               || 2     | WASTE_LINE PASSED |
        conversion makes more of them || 0     |                   | make 40
        waste line                    ||       | WASTE_LINE FAILED |
        under a contract              || 2     | WASTE_LINE PASSED | requested a rebate on 4 units
        """,  # noqa: E501
        needs=("program", "units", "hcpcs_units", "hcpcs_factor"),
    ),
    Spec(
        "R032",
        Subject.REBATE_CLAIM,
        MEDICAL,
        """
        case                   | program  | f29_hcpcs_ndc_pair_valid | hcpcs_code | hcpcs_pair_at_another_date || fires     | evidence | code | action  | units
        no such pair           | MDRP_FFS | no                       | J1234      | no                         || yes       | MEDIUM   | K    | DISPUTE | 4
        paired at another time | MDRP_MCO | no                       | J1234      | yes                        || yes       | WEAK     | K    | INQUIRE | 4
        goes with any product  | MDRP_FFS | no                       | J3490      | no                         || held back |          |      |         |
        a pair                 | MDRP_FFS | yes                      | J1234      | no                         || no        |          |      |         |
        product not held       | MDRP_FFS | -                        | J1234      | -                          || no        |          |      |         |
        not Medicaid           | PARTD    | no                       | J1234      | no                         || no        |          |      |         |

        case                   || guards                                            | says
        no such pair           || UNLISTED_CODE PASSED, PAIR_AT_ANOTHER_DATE PASSED | under HCPCS code J1234, which the crosswalk does not pair with this
                               ||                                                   | product ... appears to be wrong
        paired at another time || PAIR_AT_ANOTHER_DATE FAILED                       |
        goes with any product  || UNLISTED_CODE FAILED                              |
        """,  # noqa: E501
        needs=("program", "f29_hcpcs_ndc_pair_valid", "units"),
    ),
]
test_rule = rule_test(SPECS)
