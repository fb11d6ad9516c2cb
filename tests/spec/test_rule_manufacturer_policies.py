"""R044: 340B claims outside the manufacturer's own contract-pharmacy policy."""

from __future__ import annotations

from engine.contracts.codes import Subject
from tests.spec.rule_cases import CLAIM_340B, Spec, answers_to, everything, rule_test

POLICY = "; labeler_code=00002; policy_begin_date=2025-01-01; policy_exempt_entity_types=FQHCLA, RWI; entity_state=KY"
SPECS = [
    Spec(
        "R044",
        Subject.ENTITY_CLAIM,
        CLAIM_340B + POLICY,
        """
        case                          | claim_type | policy_contract_pharmacies | entity_type | state_law_protects | pharmacy_is_entity_owned | pharmacy_is_designated || fires     | evidence | code | action | party        | route | units | guards                                        | says
        no contract pharmacy at all   | RX         | NONE                       | DSH         | no                 | no                       | yes                    || yes       | STRONG   | -    | NONE   | UNDETERMINED | NONE  | 0     | STATE_LAW PASSED, EXEMPT_ENTITY PASSED, IN_HOUSE PASSED, DESIGNATED PASSED | 340B entity DSH010001 reported 30 units ... by the manufacturer's policy, in force from 2025-01-01, the 340B price is offered at no contract pharmacy: the dispense appears to lie outside it ... for counsel to review
        not the one designated        | RX         | DESIGNATED                 | DSH         | no                 | no                       | no                     || yes       | STRONG   | -    | NONE   | UNDETERMINED | NONE  | 0     | DESIGNATED PASSED                             | only at a contract pharmacy that the entity designated
        the one designated            | RX         | DESIGNATED                 | DSH         | no                 | no                       | yes                    || held back |          |      |        |              |       |       | DESIGNATED FAILED                             |
        designations not known        | RX         | DESIGNATED                 | DSH         | no                 | no                       | -                      || yes       | MEDIUM   | -    | NONE   | UNDETERMINED | NONE  | 0     | DESIGNATED UNCHECKED                          |
        the state protects            | RX         | NONE                       | DSH         | yes                | no                       | no                     || held back |          |      |        |              |       |       | STATE_LAW FAILED                              |
        state not known               | RX         | NONE                       | DSH         | -                  | no                       | no                     || yes       | MEDIUM   | -    | NONE   | UNDETERMINED | NONE  | 0     | STATE_LAW UNCHECKED                           |
        a grantee                     | RX         | NONE                       | RWI         | no                 | no                       | no                     || held back |          |      |        |              |       |       | EXEMPT_ENTITY FAILED                          |
        type of entity not known      | RX         | NONE                       | -           | no                 | no                       | no                     || yes       | MEDIUM   | -    | NONE   | UNDETERMINED | NONE  | 0     | EXEMPT_ENTITY UNCHECKED                       |
        the entity's own pharmacy     | RX         | NONE                       | DSH         | no                 | yes                      | no                     || held back |          |      |        |              |       |       | IN_HOUSE FAILED                               |
        own pharmacies not known      | RX         | NONE                       | DSH         | no                 | -                        | no                     || yes       | MEDIUM   | -    | NONE   | UNDETERMINED | NONE  | 0     | IN_HOUSE UNCHECKED                            |
        given by a provider           | MEDICAL    | NONE                       | DSH         | no                 | no                       | no                     || no        |          |      |        |              |       |       |                                               |
        no policy                     | RX         | -                          | DSH         | no                 | no                       | no                     || no        |          |      |        |              |       |       |                                               |
        """,  # noqa: E501
        needs=("policy_contract_pharmacies", "claim_type", "quantity"),
    ),
]
test_rule = rule_test(SPECS)


def test_absence_from_laws_that_are_not_complete_means_nothing(spark):
    active = everything(Subject.ENTITY_CLAIM, ["R044"], without=["contract_pharmacy_laws.complete"])
    facts = SPECS[0].firing.facts
    said = answers_to(spark, active, {"not known": facts, "known": facts | {"state_law_protects": True}})
    assert [(row_id, result["evidence"]) for (row_id, _), result in said.items()] == [("not known", "MEDIUM")]
