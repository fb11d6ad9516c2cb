"""R050: a pattern that may point to diversion."""

from __future__ import annotations

from pyspark.sql import SparkSession

from engine.contracts.codes import Subject
from engine.rules import active_rules
from engine.settings import RuleSettings
from tests.spec.rule_cases import ALL_ON, AS_OF, CLAIM_340B, EVERYTHING, Spec, answers_to, rule_test

SPECS = [
    Spec(
        "R050",
        Subject.ENTITY_CLAIM,
        CLAIM_340B + "; prescriber_npi=1234567893",
        """
        case                            | claim_type | f17_prescriber_ce_share | prescriptions_known | f18_dist_ce_pharm_km | ce_volume_z | ce_quarter_units
        hardly known, far and very many | RX         | 0.05                    | 40                  | 1204.6               | 5.2         | 4200
        a tenth of prescriptions        | RX         | 0.1                     | 40                  | 1204.6               | 5.2         | 4200
        few prescriptions known         | RX         | 0                       | 19                  | 1204.6               | 5.2         | 4200
        100 km                          | RX         | 0.05                    | 40                  | 100                  | 5.2         | 4200
        volume within the usual         | RX         | 0.05                    | 40                  | 1204.6               | 4           | 4200
        nine times what is usual        | RX         | 0.05                    | 40                  | 1204.6               | 5.2         | 540
        prescriber not known            | RX         | -                       | -                   | 1204.6               | 5.2         | 4200
        a place not known               | RX         | 0.05                    | 40                  | -                    | 5.2         | 4200
        few entities to compare with    | RX         | 0.05                    | 40                  | 1204.6               | -           | 4200
        given by a provider             | MEDICAL    | 0.05                    | 40                  | 1204.6               | 5.2         | 4200
        the entity's own pharmacy       | RX         | 0.05                    | 40                  | 1204.6               | 5.2         | 4200
        own pharmacies not known        | RX         | 0.05                    | 40                  | 1204.6               | 5.2         | 4200

        case                            | ce_usual_quarter_units | pharmacy_is_entity_owned || fires     | evidence | code | action  | party        | route
        hardly known, far and very many | 60                     | no                       || yes       | WEAK     | -    | INQUIRE | UNDETERMINED | ENTITY
        a tenth of prescriptions        | 60                     | no                       || no        |          |      |         |              |
        few prescriptions known         | 60                     | no                       || no        |          |      |         |              |
        100 km                          | 60                     | no                       || no        |          |      |         |              |
        volume within the usual         | 60                     | no                       || no        |          |      |         |              |
        nine times what is usual        | 60                     | no                       || no        |          |      |         |              |
        prescriber not known            | 60                     | no                       || no        |          |      |         |              |
        a place not known               | 60                     | no                       || no        |          |      |         |              |
        few entities to compare with    | -                      | no                       || no        |          |      |         |              |
        given by a provider             | 60                     | no                       || no        |          |      |         |              |
        the entity's own pharmacy       | 60                     | yes                      || held back |          |      |         |              |
        own pharmacies not known        | 60                     | -                        || yes       | WEAK     | -    | INQUIRE | UNDETERMINED | ENTITY

        case                            || units | guards             | says
        hardly known, far and very many || 30    | IN_HOUSE PASSED    | Of 40 earlier prescriptions of prescriber 1234567893 for the product the entity claimed
                                        ||       |                    | 5 %, the pharmacy is 1,205 km from the entity,
                                        ||       |                    | and in this quarter the entity claims 4200 units of the product,
                                        ||       |                    | other entities usually 60: ask whether the patient
        the entity's own pharmacy       ||       | IN_HOUSE FAILED    |
        own pharmacies not known        || 30    | IN_HOUSE UNCHECKED |
        """,  # noqa: E501
        needs=(
            *("claim_type", "quantity", "f17_prescriber_ce_share", "prescriptions_known", "f18_dist_ce_pharm_km"),
            *("ce_volume_z", "ce_quarter_units", "ce_usual_quarter_units"),
        ),
        no_slow_reading="prescribers and distances: test_synthetic_diversion_truth.py",
    ),
]
test_rule = rule_test(SPECS)


def test_a_pharmacy_that_fills_by_mail_is_far_from_everybody(spark: SparkSession) -> None:
    rules = ALL_ON.rules | {"R050": RuleSettings(thresholds={"distant_pharmacies": ["1234567893"]})}
    active = active_rules(ALL_ON.model_copy(update={"rules": rules}), EVERYTHING, Subject.ENTITY_CLAIM, AS_OF)
    assert not answers_to(spark, active.only("R050"), {"by mail": SPECS[0].firing.facts})
