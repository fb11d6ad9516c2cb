"""R022 and R042 to R049: what covered entities report as dispensed at the 340B price."""

from __future__ import annotations

from pyspark.sql import SparkSession

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM_340B, Spec, answers_to, everything, rule_test

REGISTERED = "; entity_participating_start=2015-01-01; entity_snapshot_date=2025-07-01"
SPECS = [
    Spec(
        "R022",
        Subject.ENTITY_CLAIM,
        CLAIM_340B + "; product_snapshot_date=2025-07-01",
        """
        case           | quantity | termination_date | reactivation_date || fires     | evidence | code | action  | party    | route  | units
        366 days after | 30       | 2024-07-31       | -                 || yes       | STRONG   | -    | INQUIRE | PHARMACY | ENTITY | 30
        365 days after | 30       | 2024-08-01       | -                 || no        |          |      |         |          |        |
        reactivated    | 30       | 2020-01-31       | 2025-08-01        || held back |          |      |         |          |        |
        a credit       | -30      | 2024-07-31       | -                 || no        |          |      |         |          |        |

        case           || guards             | says
        366 days after || REACTIVATED PASSED | 340B entity DSH010001 reported 30 units of NDC 00002759701 for service on 2025-08-01 ... 366 days before
        reactivated    || REACTIVATED FAILED |
        """,  # noqa: E501
        needs=("termination_date", "date_of_service", "quantity"),
    ),
    Spec(
        "R042",
        Subject.ENTITY_CLAIM,
        CLAIM_340B + REGISTERED,
        """
        case                     | entity_is_active | entity_termination_date | entity_resumed_on || fires | evidence | code | action  | party  | route  | units
        ended the day of service | no               | 2025-08-01              | -                 || yes   | STRONG   | -    | INQUIRE | ENTITY | ENTITY | 30
        taking part              | yes              | 2026-01-01              | -                 || no    |          |      |         |        |        |
        not in the register      | -                | -                       | -                 || no    |          |      |         |        |        |
        lapsed for a quarter     | no               | 2025-07-01              | 2025-10-01        || yes   | MEDIUM   | -    | INQUIRE | ENTITY | ENTITY | 30
        back after two quarters  | no               | 2025-07-01              | 2026-01-01        || yes   | STRONG   | -    | INQUIRE | ENTITY | ENTITY | 30
        not yet taking part      | no               | -                       | 2025-10-01        || yes   | STRONG   | -    | INQUIRE | ENTITY | ENTITY | 30

        case                     || guards         | says
        ended the day of service || RESUMED PASSED | at pharmacy 1234567893 ... according to the 340B register of 2025-07-01 it took part from 2015-01-01 to
                                 ||                | 2025-08-01: it appears not to have been eligible
        lapsed for a quarter     || RESUMED FAILED | it takes part again from 2025-10-01
        back after two quarters  || RESUMED PASSED |
        not yet taking part      || RESUMED PASSED |
        """,  # noqa: E501
        needs=("entity_is_active", "quantity"),
    ),
    Spec(
        "R043",
        Subject.ENTITY_CLAIM,
        CLAIM_340B,
        """
        case                        | claim_type | contract_holds | contracts_of_entity | contracts_least_confidence | contract_begin_date
        never under contract        | RX         | no             | 1200                | 1                          | -
        contract ended              | RX         | no             | 2                   | 0.95                       | 2020-01-01
        contract holds              | RX         | yes            | 2                   | 1                          | 2020-01-01
        a contract without a number | RX         | no             | 2                   | 0                          | -
        a contract not quite sure   | RX         | no             | 2                   | 0.94                       | -
        no contract at all          | RX         | no             | 0                   | -                          | -
        its own pharmacy            | RX         | no             | 2                   | 1                          | -
        own pharmacies not known    | RX         | no             | 2                   | 1                          | -
        moved                       | RX         | no             | 2                   | 1                          | -
        given in a clinic           | MEDICAL    | no             | 2                   | 1                          | -

        case                        | contract_termination_date | contract_other_npi | pharmacy_is_entity_owned || fires     | evidence | code | action
        never under contract        | -                         | -                  | no                       || yes       | STRONG   | -    | INQUIRE
        contract ended              | 2025-08-01                | -                  | no                       || yes       | STRONG   | -    | INQUIRE
        contract holds              | -                         | -                  | no                       || no        |          |      |
        a contract without a number | -                         | -                  | no                       || yes       | WEAK     | -    | INQUIRE
        a contract not quite sure   | -                         | -                  | no                       || yes       | WEAK     | -    | INQUIRE
        no contract at all          | -                         | -                  | no                       || yes       | STRONG   | -    | INQUIRE
        its own pharmacy            | -                         | -                  | yes                      || held back |          |      |
        own pharmacies not known    | -                         | -                  | -                        || yes       | MEDIUM   | -    | INQUIRE
        moved                       | -                         | 1003000126         | no                       || held back |          |      |
        given in a clinic           | -                         | -                  | no                       || no        |          |      |

        case                        || party  | route  | units | guards
        never under contract        || ENTITY | ENTITY | 30    | IN_HOUSE PASSED, RELOCATED PASSED
        contract ended              || ENTITY | ENTITY | 30    |
        a contract without a number || ENTITY | ENTITY | 30    |
        a contract not quite sure   || ENTITY | ENTITY | 30    |
        no contract at all          || ENTITY | ENTITY | 30    |
        its own pharmacy            ||        |        |       | IN_HOUSE FAILED
        own pharmacies not known    || ENTITY | ENTITY | 30    | IN_HOUSE UNCHECKED
        moved                       ||        |        |       | RELOCATED FAILED

        case                        || says
        never under contract        || none of the 1,200 registered contracts of its system names it.
        contract ended              || the contract with this pharmacy held from 2020-01-01 to 2025-08-01
        a contract without a number || one of them may be this
        """,  # noqa: E501
        needs=("contract_holds", "claim_type", "quantity"),
    ),
    Spec(
        "R045",
        Subject.ENTITY_CLAIM,
        CLAIM_340B + REGISTERED + "; entity_type=CAH",
        """
        case                 | f55_orphan_ce_conflict | entity_is_dual_registered || fires | evidence | code | action  | party  | route  | units
        on the list          | yes                    | no                        || yes   | STRONG   | -    | INQUIRE | ENTITY | ENTITY | 30
        not on the list      | no                     | no                        || no    |          |      |         |        |        |
        list not known       | -                      | no                        || no    |          |      |         |        |        |
        two ids at one place | yes                    | yes                       || yes   | WEAK     | -    | INQUIRE | ENTITY | ENTITY | 30
        place not known      | yes                    | -                         || yes   | MEDIUM   | -    | INQUIRE | ENTITY | ENTITY | 30

        case                 || guards                    | says
        on the list          || DUAL_REGISTERED PASSED    | registered as CAH ... on the orphan list of the quarter
        two ids at one place || DUAL_REGISTERED FAILED    |
        place not known      || DUAL_REGISTERED UNCHECKED |
        """,  # noqa: E501
        needs=("f55_orphan_ce_conflict", "quantity"),
    ),
    Spec(
        "R046",
        Subject.ENTITY_CLAIM,
        CLAIM_340B,
        """
        case                 | other_entity_ids     | other_entity_row_ids || fires | evidence | code | action  | party        | route  | units | related
        two entities         | CAH020001            | E2                   || yes   | STRONG   | -    | INQUIRE | UNDETERMINED | ENTITY | 30    | E2
        three entities       | CAH020001, DSH030001 | E2, E3               || yes   | STRONG   | -    | INQUIRE | UNDETERMINED | ENTITY | 30    | E2,E3
        alone                | ,                    | ,                    || no    |          |      |         |              |        |       |
        no key of a dispense | -                    | -                    || no    |          |      |         |              |        |       |

        case                 || says
        two entities         || CAH020001 appears to have reported the same dispense (row E2)
        three entities       || CAH020001, DSH030001
        """,  # noqa: E501
        needs=("other_entity_row_ids", "quantity"),
    ),
    Spec(
        "R047",
        Subject.ENTITY_CLAIM,
        CLAIM_340B,
        """
        case                    | earlier_row_ids || fires | evidence | code | action  | party  | route  | units | related | says
        sent again              | E0              || yes   | STRONG   | -    | INQUIRE | ENTITY | ENTITY | 0     | E0      | reported before (row E0)
        the first               | ,               || no    |          |      |         |        |        |       |         |
        no key of a dispense    | -               || no    |          |      |         |        |        |       |         |
        """,  # noqa: E501
        needs=("earlier_row_ids", "quantity"),
    ),
    Spec(
        "R048",
        Subject.ENTITY_CLAIM,
        CLAIM_340B,
        """
        case                 | submitted_at     | earlier_row_count || fires     | evidence | code | action  | party  | route  | units | guards
        46 days after        | 2025-09-16T08:00 | 0                 || yes       | STRONG   | -    | INQUIRE | ENTITY | ENTITY | 0     | CORRECTION PASSED
        45 days after        | 2025-09-15T23:59 | 0                 || no        |          |      |         |        |        |       |
        a correction         | 2025-09-16       | 1                 || held back |          |      |         |        |        |       | CORRECTION FAILED
        of no known dispense | 2025-09-16       | -                 || yes       | MEDIUM   | -    | INQUIRE | ENTITY | ENTITY | 0     | CORRECTION UNCHECKED
        time not known       | -                | 0                 || no        |          |      |         |        |        |       |

        case                 || says
        46 days after        || submitted on 2025-09-16, 46 days after the service; the policy allows 45
        """,  # noqa: E501
        needs=("submitted_at", "date_of_service", "quantity"),
    ),
    Spec(
        "R048",
        Subject.ENTITY_CLAIM,
        CLAIM_340B + "; earlier_row_count=0; submitted_at=2025-09-16T08:00",
        """
        case                    | submission_window_is_known || fires | evidence
        no window is known      | -                          || yes   | STRONG
        its window is known     | yes                        || no    |
        """,
        needs=("submitted_at", "date_of_service", "quantity"),
    ),
    Spec(
        "R062",
        Subject.ENTITY_CLAIM,
        CLAIM_340B + "; labeler_code=00002; submission_window_begin_date=2025-07-01",
        """
        case              | submitted_at | submission_days | earlier_row_count || fires     | evidence | code | action  | party  | route  | units
        61 days after     | 2025-10-01   | 60              | 0                 || yes       | STRONG   | -    | INQUIRE | ENTITY | ENTITY | 0
        60 days after     | 2025-09-30   | 60              | 0                 || no        |          |      |         |        |        |
        a correction      | 2025-10-01   | 60              | 1                 || held back |          |      |         |        |        |
        no window applies | 2025-10-01   | -               | 0                 || no        |          |      |         |        |        |

        case              || guards            | says
        61 days after     || CORRECTION PASSED | submitted on 2025-10-01, 61 days after the service; the manufacturer's window since 2025-07-01 allows 60 days
        a correction      || CORRECTION FAILED |
        """,  # noqa: E501
        needs=("submitted_at", "date_of_service", "quantity", "submission_days"),
    ),
    Spec(
        "R049",
        Subject.ENTITY_CLAIM,
        CLAIM_340B + "; source_row_id=E1",
        """
        case                   | date_of_service | is_last_of_quarter | units_bought_4q | units_claimed_4q | entity_first_claim_date || fires     | evidence
        a fifth more           | 2025-08-01      | yes                | 1200            | 1000             | 2024-10-01              || yes       | WEAK
        a tenth more           | 2025-08-01      | yes                | 1100            | 1000             | 2024-10-01              || no        |
        a few units            | 2025-08-01      | yes                | 200             | 100              | 2024-10-01              || no        |
        another claim          | 2025-08-01      | -                  | 1200            | 1000             | 2024-10-01              || no        |
        claims begin later     | 2025-08-01      | yes                | 1200            | 1000             | 2025-01-01              || held back |
        first quarter is there | 2025-08-01      | yes                | 1200            | 1000             | 2024-12-31              || yes       | WEAK
        quarter is not over    | 2026-01-02      | yes                | 1200            | 1000             | 2024-10-01              || no        |
        purchases not known    | 2025-08-01      | yes                | -               | 1000             | 2024-10-01              || no        |

        case                   || code | action  | party        | route  | units | guards
        a fifth more           || -    | INQUIRE | UNDETERMINED | ENTITY | -     | SHORT_HISTORY PASSED
        claims begin later     ||      |         |              |        |       | SHORT_HISTORY FAILED
        first quarter is there || -    | INQUIRE | UNDETERMINED | ENTITY | -     |

        case                   || says
        a fifth more           || bought 1200 units of product 000027597 ... up to 2025Q3, but claims 1000 as dispensed: 200 units
        """,  # noqa: E501
        needs=("is_last_of_quarter", "units_bought_4q", "units_claimed_4q", "date_of_service", "quantity"),
    ),
]
test_rule = rule_test(SPECS)


def test_that_an_entity_has_no_contracts_is_known_of_a_complete_register_alone(spark: SparkSession) -> None:
    """Absence from a table means something only where it is declared complete (contract part 2)."""
    spec = next(spec for spec in SPECS if spec.rule_id == "R043")
    rows = {case.name: case.facts for case in spec.cases if case.name in ("no contract at all", "never under contract")}
    incomplete = everything(Subject.ENTITY_CLAIM, ["R043"], without=["contract_pharmacies.complete"])
    said = answers_to(spark, incomplete, rows)
    assert {name: result["evidence"] for (name, _), result in said.items()} == {
        "no contract at all": "WEAK",
        "never under contract": "STRONG",
    }
    assert "not declared complete" in said[("no contract at all", "R043")]["message"]
