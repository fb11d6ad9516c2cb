"""R015: Medicare Part B lines of 340B drugs without their modifier."""

from __future__ import annotations

import pytest

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM_340B, Spec, cases_of, check, results_fixture

SPECS = [
    Spec(
        "R015",
        Subject.ENTITY_CLAIM,
        CLAIM_340B + "; rx_number=-; claim_id=4711; hcpcs_code=J1234",
        """
        case                        | claim_type | date_of_service | part_b_unmarked_row_ids | part_b_lines_marked | entity_type | quantity || fires     | evidence | code | action  | party  | route  | units | related | guards                                     | says
        neither TB nor JG           | MEDICAL    | 2025-08-01      | B1                      | 0                   | CH          | 30       || yes       | MEDIUM   | -    | INQUIRE | ENTITY | ENTITY | 30    | B1      | ENTITY_TYPE PASSED, ONE_OF_SEVERAL PASSED  | HCPCS code J1234, but the Medicare Part B line of that provider and day (row B1) carries neither TB nor JG ... appear to be counted into the Part B inflation rebate
        two lines without           | MEDICAL    | 2025-08-01      | B1, B3                  | 0                   | CH          | 30       || yes       | MEDIUM   |      |         |        |        | 30    | B1,B3   |                                            | (row B1, B3)
        another line carries it     | MEDICAL    | 2025-08-01      | B1                      | 1                   | CH          | 30       || yes       | WEAK     | -    | INQUIRE | ENTITY | ENTITY | 30    | B1      | ONE_OF_SEVERAL FAILED                      |
        every line carries it       | MEDICAL    | 2025-08-01      |                         | 1                   | CH          | 30       || no        |          |      |         |        |        |       |         |                                            |
        no line of Part B           | MEDICAL    | 2025-08-01      | -                       | -                   | CH          | 30       || no        |          |      |         |        |        |       |         |                                            |
        last day of 2024, hospital  | MEDICAL    | 2024-12-31      | B1                      | 0                   | DSH         | 30       || yes       | MEDIUM   |      |         |        |        |       |         | ENTITY_TYPE PASSED                         |
        last day of 2024, grantee   | MEDICAL    | 2024-12-31      | B1                      | 0                   | CH          | 30       || held back |          |      |         |        |        |       |         | ENTITY_TYPE FAILED                         |
        2024, type not known        | MEDICAL    | 2024-12-31      | B1                      | 0                   | -           | 30       || yes       | WEAK     |      |         |        |        |       |         | ENTITY_TYPE UNCHECKED                      |
        2025, type not known        | MEDICAL    | 2025-01-01      | B1                      | 0                   | -           | 30       || yes       | MEDIUM   |      |         |        |        |       |         | ENTITY_TYPE PASSED                         |
        before it is judged         | MEDICAL    | 2023-12-31      | B1                      | 0                   | DSH         | 30       || no        |          |      |         |        |        |       |         |                                            |
        dispensed by a pharmacy     | RX         | 2025-08-01      | B1                      | 0                   | CH          | 30       || no        |          |      |         |        |        |       |         |                                            |
        kind of claim not known     | -          | 2025-08-01      | B1                      | 0                   | CH          | 30       || no        |          |      |         |        |        |       |         |                                            |
        day not known               | MEDICAL    | -               | B1                      | 0                   | CH          | 30       || no        |          |      |         |        |        |       |         |                                            |
        quantity not known          | MEDICAL    | 2025-08-01      | B1                      | 0                   | CH          | -        || no        |          |      |         |        |        |       |         |                                            |
        """,  # noqa: E501
        needs=("claim_type", "date_of_service", "part_b_unmarked_row_ids", "quantity"),
    ),
]
results = results_fixture(SPECS)


@pytest.mark.parametrize(("spec", "case"), cases_of(SPECS))
def test_rule(spec, case, results):
    check(spec, case, results)
