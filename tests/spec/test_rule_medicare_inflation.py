"""R014 and R015: 340B units in Medicare's inflation rebates."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM_340B, Spec, rule_test

REPORT = (
    "program=PARTD_INFL; ndc11=00002759701; period=2025Q4; period_start=2025-10-01; period_end=2026-10-01; "
    "left_out_from=2026-01-01; part_d_dispenses=50"
)
SPECS = [
    Spec(
        "R014",
        Subject.INFLATION_REPORT,
        REPORT,
        """
        case                     | total_units | excluded_units | part_d_units_claimed | exclusion_method || fires | evidence | code | action  | party
        far fewer left out       | 9000        | 500            | 1500                 | CLAIMS           || yes   | MEDIUM   | -    | INQUIRE | UNDETERMINED
        none left out            | 9000        | 0              | 1500                 | CLAIMS           || yes   | MEDIUM   |      |         |
        left out by an estimate  | 9000        | 500            | 1500                 | ESTIMATE         || yes   | WEAK     | -    | INQUIRE | UNDETERMINED
        way of CMS not known     | 9000        | 500            | 1500                 | -                || yes   | WEAK     |      |         |
        within the tolerance     | 9000        | 1350           | 1500                 | CLAIMS           || no    |          |      |         |
        just beyond it           | 9000        | 1349.999       | 1500                 | CLAIMS           || yes   | MEDIUM   |      |         |
        as many left out         | 9000        | 1500           | 1500                 | CLAIMS           || no    |          |      |         |
        hardly any are missing   | 9000        | 50             | 150                  | CLAIMS           || no    |          |      |         |
        entities claim none      | 9000        | 0              | 0                    | CLAIMS           || no    |          |      |         |
        units left out not known | 9000        | -              | 1500                 | CLAIMS           || no    |          |      |         |
        claims not known         | 9000        | 500            | -                    | CLAIMS           || no    |          |      |         |
        nothing to rebate        | 0           | 0              | 1500                 | CLAIMS           || no    |          |      |         |
        total not known          | -           | 500            | 1500                 | CLAIMS           || no    |          |      |         |

        case                     || route | units   | guards             | says
        far fewer left out       || NONE  | 1000    | ESTIMATE PASSED    | for the applicable period from 2025-10-01 leaves out 500 units as 340B ...
                                 ||       |         |                    | 1500 units of 50 dispenses to members of Part D plans from 2026-01-01 ...
                                 ||       |         |                    | 1000 units appear to be left in
        none left out            ||       | 1500    |                    | leaves out 0 units
        left out by an estimate  || NONE  | 1000    | ESTIMATE FAILED    |
        way of CMS not known     ||       | 1000    | ESTIMATE UNCHECKED |
        just beyond it           ||       | 150.001 |                    |
        """,  # noqa: E501
        needs=("total_units", "excluded_units", "part_d_units_claimed"),
        no_slow_reading="reports of inflation rebates: test_synthetic_inflation_truth.py",
    ),
    Spec(
        "R015",
        Subject.ENTITY_CLAIM,
        CLAIM_340B + "; rx_number=-; claim_id=4711; hcpcs_code=J1234",
        """
        case                       | claim_type | date_of_service | part_b_unmarked_row_ids | part_b_lines_marked | entity_type | quantity || fires
        neither TB nor JG          | MEDICAL    | 2025-08-01      | B1                      | 0                   | CH          | 30       || yes
        two lines without          | MEDICAL    | 2025-08-01      | B1, B3                  | 0                   | CH          | 30       || yes
        another line carries it    | MEDICAL    | 2025-08-01      | B1                      | 1                   | CH          | 30       || yes
        every line carries it      | MEDICAL    | 2025-08-01      |                         | 1                   | CH          | 30       || no
        no line of Part B          | MEDICAL    | 2025-08-01      | -                       | -                   | CH          | 30       || no
        last day of 2024, hospital | MEDICAL    | 2024-12-31      | B1                      | 0                   | DSH         | 30       || yes
        last day of 2024, grantee  | MEDICAL    | 2024-12-31      | B1                      | 0                   | CH          | 30       || held back
        2024, type not known       | MEDICAL    | 2024-12-31      | B1                      | 0                   | -           | 30       || yes
        2025, type not known       | MEDICAL    | 2025-01-01      | B1                      | 0                   | -           | 30       || yes
        before it is judged        | MEDICAL    | 2023-12-31      | B1                      | 0                   | DSH         | 30       || no
        dispensed by a pharmacy    | RX         | 2025-08-01      | B1                      | 0                   | CH          | 30       || no
        kind of claim not known    | -          | 2025-08-01      | B1                      | 0                   | CH          | 30       || no
        day not known              | MEDICAL    | -               | B1                      | 0                   | CH          | 30       || no
        quantity not known         | MEDICAL    | 2025-08-01      | B1                      | 0                   | CH          | -        || no

        case                       || evidence | code | action  | party  | route  | units | related | guards
        neither TB nor JG          || MEDIUM   | -    | INQUIRE | ENTITY | ENTITY | 30    | B1      | ENTITY_TYPE PASSED, ONE_OF_SEVERAL PASSED
        two lines without          || MEDIUM   |      |         |        |        | 30    | B1,B3   |
        another line carries it    || WEAK     | -    | INQUIRE | ENTITY | ENTITY | 30    | B1      | ONE_OF_SEVERAL FAILED
        last day of 2024, hospital || MEDIUM   |      |         |        |        |       |         | ENTITY_TYPE PASSED
        last day of 2024, grantee  ||          |      |         |        |        |       |         | ENTITY_TYPE FAILED
        2024, type not known       || WEAK     |      |         |        |        |       |         | ENTITY_TYPE UNCHECKED
        2025, type not known       || MEDIUM   |      |         |        |        |       |         | ENTITY_TYPE PASSED

        case                       || says
        neither TB nor JG          || HCPCS code J1234, but the Medicare Part B line of that provider and day (row B1) carries neither TB nor JG ...
                                   || appear to be counted into the Part B inflation rebate
        two lines without          || (row B1, B3)
        """,  # noqa: E501
        needs=("claim_type", "date_of_service", "part_b_unmarked_row_ids", "quantity"),
    ),
]
test_rule = rule_test(SPECS)
