"""R025: NDC not held. R026: no covered outpatient drug. R027: labeler not ours. R058: programs outside."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, LINE, SETTINGS, Spec, everything, rule_test

# Today is 2026-03-01; 184 days before it is 2025-08-29.
SPECS = [
    Spec(
        "R025",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case              | program  | product_is_known | date_of_service || fires | evidence | code | action  | units | guards
        not held          | MDRP_FFS | no               | 2025-08-29      || yes   | MEDIUM   | O    | DISPUTE | 30    | NEWLY_REPORTED PASSED
        perhaps a new one | MDRP_MCO | no               | 2025-08-30      || yes   | WEAK     | O    | INQUIRE | 30    | NEWLY_REPORTED FAILED
        held              | MDRP_FFS | yes              | 2025-08-29      || no    |          |      |         |       |
        no product file   | MDRP_FFS | -                | 2025-08-29      || no    |          |      |         |       |
        not Medicaid      | PARTD    | no               | 2025-08-29      || no    |          |      |         |       |

        case              || says
        not held          || declared complete, holds no such NDC on 2025-08-29 ... appears to be invalid
        """,  # noqa: E501
        needs=("program", "units", "product_is_known"),
    ),
    Spec(
        "R025",
        Subject.INVOICE,
        LINE,
        """
        case              | program  | product_is_known | period_start || fires | evidence | code | action  | units | guards
        not held          | MDRP_FFS | no               | 2025-07-01   || yes   | MEDIUM   | O    | DISPUTE | 1000  | NEWLY_REPORTED PASSED
        perhaps a new one | MDRP_MCO | no               | 2025-10-01   || yes   | WEAK     | O    | INQUIRE | 1000  | NEWLY_REPORTED FAILED
        held              | MDRP_FFS | yes              | 2025-07-01   || no    |          |      |         |       |

        case              || says
        not held          || holds no such NDC on 2025-07-01
        """,  # noqa: E501
        needs=("program", "units_reimbursed", "product_is_known"),
    ),
    Spec(
        "R026",
        Subject.REBATE_CLAIM,
        CLAIM + "; product_snapshot_date=2025-07-01",
        """
        case         | program  | cod_status || fires | evidence | code | action  | units
        DESI 5       | MDRP_FFS | 05         || yes   | STRONG   | U    | DISPUTE | 30
        approved     | MDRP_MCO | 03         || no    |          |      |         |
        not known    | MDRP_MCO | -          || no    |          |      |         |
        not Medicaid | PARTD    | 05         || no    |          |      |         |

        case         || says
        DESI 5       || status is 05 (product file of 2025-07-01), which earns no rebate ... appears not to be eligible
        """,
        needs=("program", "units", "cod_status"),
    ),
    Spec(
        "R026",
        Subject.INVOICE,
        LINE,
        """
        case          | program  | cod_status || fires | evidence | code | action  | units | says
        DESI 6        | MDRP_FFS | 06         || yes   | STRONG   | U    | DISPUTE | 1000  | status is 06
        approved      | MDRP_MCO | 03         || no    |          |      |         |       |
        """,
        needs=("program", "units_reimbursed", "cod_status"),
    ),
    Spec(
        "R027",
        Subject.REBATE_CLAIM,
        CLAIM + "; labeler_code=00002",
        """
        case           | program  | labeler_standing || fires | evidence | code | action  | units
        no longer ours | MDRP_FFS | NOT_THEN         || yes   | MEDIUM   | G    | INQUIRE | 30
        never ours     | MDRP_MCO | NOT_HELD         || yes   | MEDIUM   | G    | INQUIRE | 30
        ours           | MDRP_FFS | OURS             || no    |          |      |         |
        no table       | MDRP_FFS | -                || no    |          |      |         |

        case           || says
        no longer ours || Labeler code 00002 is in our list, but was not ours on 2025-08-01
        never ours     || Labeler code 00002 was none of ours on 2025-08-01
        """,
        needs=("program", "units", "labeler_standing"),
    ),
    Spec(
        "R027",
        Subject.INVOICE,
        LINE,
        """
        case                        | program  | labeler_standing | source_kind || fires | evidence | code | action  | units | says
        no longer ours              | MDRP_FFS | NOT_THEN         | INVOICE     || yes   | MEDIUM   | G    | INQUIRE | 1000  | was not ours on 2025-07-01
        kind that cannot be read    | MDRP_FFS | NOT_THEN         | -           || no    |          |      |         |       |
        everybody's utilisation     | MDRP_MCO | NOT_HELD         | SDUD        || no    |          |      |         |       |
        ours                        | MDRP_MCO | OURS             | INVOICE     || no    |          |      |         |       |
        """,  # noqa: E501
        needs=("program", "units_reimbursed", "labeler_standing", "source_kind"),
    ),
    Spec(
        "R058",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case                        | program  | sub_program   | rebate_type  || fires | evidence | code | action  | units
        separate children's program | MDRP_FFS | CHIP_SEPARATE | FEDERAL      || yes   | STRONG   | U    | DISPUTE | 30
        state-only, type not given  | MDRP_MCO | STATE_ONLY    | -            || yes   | STRONG   | U    | DISPUTE | 30
        state-only, supplemental    | MDRP_FFS | STATE_ONLY    | SUPPLEMENTAL || no    |          |      |         |
        children in the expansion   | MDRP_FFS | CHIP_MEDICAID | FEDERAL      || no    |          |      |         |
        not given                   | MDRP_FFS | -             | FEDERAL      || no    |          |      |         |
        not Medicaid                | PARTD    | STATE_ONLY    | -            || no    |          |      |         |

        case                        || says
        separate children's program || of a separate children's program (CHIP), which is outside the federal rebate ... appear not to be eligible
        state-only, type not given  || of a state-only program
        """,  # noqa: E501
        needs=("program", "units", "sub_program"),
    ),
    Spec(
        "R058",
        Subject.INVOICE,
        LINE,
        """
        case                        | program  | sub_program   | rebate_type  || fires | evidence | code | action  | units
        separate children's program | MDRP_FFS | CHIP_SEPARATE | FEDERAL      || yes   | STRONG   | U    | DISPUTE | 1000
        state-only, supplemental    | MDRP_FFS | STATE_ONLY    | SUPPLEMENTAL || no    |          |      |         |
        expansion                   | MDRP_FFS | EXPANSION     | -            || no    |          |      |         |

        case                        || says
        separate children's program || a separate children's program (CHIP)
        """,  # noqa: E501
        needs=("program", "units_reimbursed", "sub_program"),
    ),
]
test_rule = rule_test(SPECS)


def test_absence_means_something_only_where_the_table_is_declared_complete() -> None:
    incomplete = everything(Subject.REBATE_CLAIM, without=["products.complete", "labelers.complete"])
    assert incomplete.off == {"R025": "table products is not declared complete, or has quarantined rows"}
    by_id = {rule.id: rule for rule in incomplete.rules}
    assert "labelers.complete" not in incomplete.parameters_of(by_id["R027"], SETTINGS).available
