"""340B claims outside the manufacturer's policy on contract pharmacies, for review by counsel only."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, ClaimType, Evidence, Party, Route, Subject
from engine.rules import root_causes
from engine.rules.activation import COMPLETE
from engine.rules.catalog.entity_standing import IN_HOUSE, in_house
from engine.rules.common import SNAPSHOT, snapshot
from engine.rules.entity_common import entity_claimed, from_to
from engine.rules.hit import Facts, Guard, Hit, key_of, reference_row
from engine.rules.registry import DataSource, Parameters, rule
from engine.rules.text import sentence, words_for
from engine.runtime.expressions import array_contains

STATE_LAW = Guard(
    "STATE_LAW",
    "a law of the entity's state forbids manufacturers to restrict contract pharmacies",
    needs=("contract_pharmacy_laws", "covered_entities.state"),
)
EXEMPT_ENTITY = Guard(
    "EXEMPT_ENTITY",
    "the policy exempts entities of this type, as most do grantees",
    needs=("manufacturer_policies.exempt_entity_types", "covered_entities.entity_type"),
)
DESIGNATED = Guard(
    "DESIGNATED", "the entity designated the pharmacy to the manufacturer", needs=("designated_pharmacies",)
)
_OFFERED_AT = {
    "NONE": "at no contract pharmacy",
    "DESIGNATED": "only at a contract pharmacy that the entity designated",
}


@rule(
    "R044",
    "Outside the manufacturer's contract-pharmacy policy",
    on={Subject.ENTITY_CLAIM: ("manufacturer_policies",)},
    programs=(),
    evidence=Evidence.STRONG,
    route=Route.NONE,
    party=Party.UNDETERMINED,
    action=Action.NONE,
    root_cause=root_causes.OUTSIDE_POLICY,
    data_source=DataSource.MANUFACTURER_POLICIES,
    citation="Sanofi v. HHS, 58 F.4th 696 (3d Cir. 2023); Novartis v. Johnson, 102 F.4th 452 (D.C. Cir. 2024)",
    guards=(STATE_LAW, EXEMPT_ENTITY, IN_HOUSE, DESIGNATED, SNAPSHOT),
)
def outside_manufacturer_policy(f: Facts, parameters: Parameters) -> Hit:
    """The manufacturer's policy on the date of service offers the 340B price at no contract pharmacy, or only at those
    that the entity designated. For counsel's review: it requests nothing from the entity and affects no price. That a
    state has no law is known only where `contract_pharmacy_laws` is declared complete.
    """
    laws_are_known = F.lit(f"contract_pharmacy_laws.{COMPLETE}" in parameters.available)
    return Hit(
        when=(f.claim_type == ClaimType.RX.value) & f.policy_contract_pharmacies.isNotNull(),
        message=sentence(
            "{claim}, but by the manufacturer's policy, in force{span}, the 340B price is offered {where}: the "
            "dispense appears to lie outside it. Whether the policy holds here is for counsel to review.",
            claim=entity_claimed(f),
            span=from_to(f.policy_begin_date, f.policy_end_date),
            where=words_for(f.policy_contract_pharmacies, _OFFERED_AT),
        ),
        checks=(
            STATE_LAW.check(
                failed=f.state_law_protects,
                unchecked=f.state_law_protects.isNull() | (~f.state_law_protects & ~laws_are_known),
            ),
            EXEMPT_ENTITY.check(
                failed=array_contains(f.policy_exempt_entity_types, f.entity_type),
                unchecked=f.entity_type.isNull(),
                only_where=f.policy_exempt_entity_types.isNotNull(),
            ),
            in_house(f),
            DESIGNATED.check(
                failed=f.pharmacy_is_designated,
                unchecked=f.pharmacy_is_designated.isNull(),
                only_where=f.policy_contract_pharmacies == "DESIGNATED",
            ),
            snapshot(f.date_of_service, f.policy_known_from, f.entity_known_from),
        ),
        units=F.lit(0),  # counsel reviews the breach of a policy; no units are claimed back
        references=(
            reference_row(
                "manufacturer_policies", key_of(f.labeler_code, f.policy_ndc9), f.policy_begin_date, f.policy_end_date
            ),
        ),
    )
