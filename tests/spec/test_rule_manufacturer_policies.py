"""R044: 340B claims outside the manufacturer's own contract-pharmacy policy."""

from __future__ import annotations

from pyspark.sql import SparkSession

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM_340B, Spec, answers_to, everything, rule_test

POLICY = "; labeler_code=00002; policy_begin_date=2025-01-01; policy_exempt_entity_types=FQHCLA, RWI; entity_state=KY"
SPECS = [
    Spec(
        "R044",
        Subject.ENTITY_CLAIM,
        CLAIM_340B + POLICY,
        """
        case                        | claim_type | policy_contract_pharmacies | entity_type | state_law_protects | pharmacy_is_entity_owned
        no contract pharmacy at all | RX         | NONE                       | DSH         | no                 | no
        not the one designated      | RX         | DESIGNATED                 | DSH         | no                 | no
        the one designated          | RX         | DESIGNATED                 | DSH         | no                 | no
        designations not known      | RX         | DESIGNATED                 | DSH         | no                 | no
        the state protects          | RX         | NONE                       | DSH         | yes                | no
        state not known             | RX         | NONE                       | DSH         | -                  | no
        a grantee                   | RX         | NONE                       | RWI         | no                 | no
        type of entity not known    | RX         | NONE                       | -           | no                 | no
        the entity's own pharmacy   | RX         | NONE                       | DSH         | no                 | yes
        own pharmacies not known    | RX         | NONE                       | DSH         | no                 | -
        given by a provider         | MEDICAL    | NONE                       | DSH         | no                 | no
        no policy                   | RX         | -                          | DSH         | no                 | no

        case                        | pharmacy_is_designated || fires     | evidence | code | action | party        | route | units
        no contract pharmacy at all | yes                    || yes       | STRONG   | -    | NONE   | UNDETERMINED | NONE  | 0
        not the one designated      | no                     || yes       | STRONG   | -    | NONE   | UNDETERMINED | NONE  | 0
        the one designated          | yes                    || held back |          |      |        |              |       |
        designations not known      | -                      || yes       | MEDIUM   | -    | NONE   | UNDETERMINED | NONE  | 0
        the state protects          | no                     || held back |          |      |        |              |       |
        state not known             | no                     || yes       | MEDIUM   | -    | NONE   | UNDETERMINED | NONE  | 0
        a grantee                   | no                     || held back |          |      |        |              |       |
        type of entity not known    | no                     || yes       | MEDIUM   | -    | NONE   | UNDETERMINED | NONE  | 0
        the entity's own pharmacy   | no                     || held back |          |      |        |              |       |
        own pharmacies not known    | no                     || yes       | MEDIUM   | -    | NONE   | UNDETERMINED | NONE  | 0
        given by a provider         | no                     || no        |          |      |        |              |       |
        no policy                   | no                     || no        |          |      |        |              |       |

        case                        || guards
        no contract pharmacy at all || STATE_LAW PASSED, EXEMPT_ENTITY PASSED, IN_HOUSE PASSED, DESIGNATED PASSED
        not the one designated      || DESIGNATED PASSED
        the one designated          || DESIGNATED FAILED
        designations not known      || DESIGNATED UNCHECKED
        the state protects          || STATE_LAW FAILED
        state not known             || STATE_LAW UNCHECKED
        a grantee                   || EXEMPT_ENTITY FAILED
        type of entity not known    || EXEMPT_ENTITY UNCHECKED
        the entity's own pharmacy   || IN_HOUSE FAILED
        own pharmacies not known    || IN_HOUSE UNCHECKED

        case                        || says
        no contract pharmacy at all || 340B entity DSH010001 reported 30 units ... by the manufacturer's policy, in force from 2025-01-01,
                                    || the 340B price is offered at no contract pharmacy: the dispense appears to lie outside it ... for counsel to review
        not the one designated      || only at a contract pharmacy that the entity designated
        """,  # noqa: E501
        needs=("policy_contract_pharmacies", "claim_type", "quantity"),
    ),
]
test_rule = rule_test(SPECS)


def test_absence_from_laws_that_are_not_complete_means_nothing(spark: SparkSession) -> None:
    active = everything(Subject.ENTITY_CLAIM, ["R044"], without=["contract_pharmacy_laws.complete"])
    facts = SPECS[0].firing.facts
    said = answers_to(spark, active, {"not known": facts, "known": facts | {"state_law_protects": True}})
    assert [(row_id, result["evidence"]) for (row_id, _), result in said.items()] == [("not known", "MEDIUM")]
