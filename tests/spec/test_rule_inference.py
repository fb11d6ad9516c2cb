"""R006: suspicion from prescriber and pharmacy. R007: what the exclusion file does not say."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM, Spec, rule_test

SPECS = [
    Spec(
        "R006",
        Subject.REBATE_CLAIM,
        CLAIM,
        """
        case            | program  | f16_ppm_link | f15_pharm_340b_share | link_tier | flags_340b || fires     | evidence | code | route  | action  | units
        most are 340B   | MDRP_MCO | yes          | 0.6                  | -         | -          || yes       | WEAK     | -    | ENTITY | INQUIRE | -
        some are 340B   | MDRP_MCO | yes          | 0.59                 | -         | -          || no        |          |      |        |         |
        linked          | MDRP_MCO | yes          | 0.6                  | T1        | -          || held back |          |      |        |         |
        flagged         | MDRP_MCO | yes          | 0.6                  | -         | SCC 20     || held back |          |      |        |         |
        no such entity  | MDRP_MCO | no           | 0.6                  | -         | -          || no        |          |      |        |         |
        not known       | MDRP_MCO | -            | 0.6                  | -         | -          || no        |          |      |        |         |
        fee-for-service | MDRP_FFS | yes          | 0.6                  | -         | -          || no        |          |      |        |         |

        case            || guards                  | says
        most are 340B   || CLAIMS_OF_ENTITY PASSED | 60 % of the claims for this product ... may be one
        linked          || CLAIMS_OF_ENTITY FAILED |
        flagged         || CLAIMS_OF_ENTITY FAILED |
        """,  # noqa: E501
        needs=("program", "units", "f16_ppm_link", "f15_pharm_340b_share"),
        no_slow_reading="off by default",
    ),
    Spec(
        "R007",
        Subject.REBATE_CLAIM,
        CLAIM + "; mef_listed_as=NPI 1234567893 (KY); mef_quarter=2025Q3",
        """
        case            | program  | mef_entity_id || fires | evidence | code | action | units
        managed care    | MDRP_MCO | DSH1          || yes   | CONTEXT  | -    | NONE   | -
        not listed      | MDRP_MCO | -             || no    |          |      |        |
        fee-for-service | MDRP_FFS | DSH1          || no    |          |      |        |

        case            || says
        managed care    || lists for 340B entity DSH1. The file is about fee-for-service only
        """,
        needs=("program", "units", "mef_entity_id"),
        no_slow_reading="off by default",
    ),
]
test_rule = rule_test(SPECS)
