"""340B claims of an entity, a pharmacy or a product that was not eligible on the date of service."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, ClaimType, Evidence, Party, Route, Subject
from engine.dates import days_between
from engine.rules import root_causes
from engine.rules.activation import COMPLETE
from engine.rules.common import SNAPSHOT, snapshot
from engine.rules.entity_common import entity_claimed, entity_row, from_to
from engine.rules.evidence import either
from engine.rules.hit import Check, Facts, Guard, Hit, key_of, reference_row
from engine.rules.registry import DataSource, Parameters, Threshold, rule
from engine.rules.text import if_known, sentence

RESUMED = Guard(
    "RESUMED",
    "the entity took part again soon after, as where a lapsed recertification is put right",
    needs=("covered_entities.participating_start",),
    weakens_to=Evidence.MEDIUM,
)
IN_HOUSE = Guard("IN_HOUSE", "the pharmacy is the entity's own, which needs no contract", needs=("entity_npis",))
RELOCATED = Guard(
    "RELOCATED",
    "a contract holds with the pharmacy under the number that it had before or has had since",
    needs=("pharmacies.successor_npi",),
)
DUAL_REGISTERED = Guard(
    "DUAL_REGISTERED",
    "an entity of a type that may buy orphan drugs is registered at the same place",
    needs=("covered_entities.street", "covered_entities.zip"),
    weakens_to=Evidence.WEAK,
)


def in_house(f: Facts) -> Check:
    """Check whether the entity owns the pharmacy; unchecked if the owner is unknown."""
    return IN_HOUSE.check(failed=f.pharmacy_is_entity_owned, unchecked=f.pharmacy_is_entity_owned.isNull())


@rule(
    "R042",
    "Covered entity or site not taking part at the date of service",
    on={Subject.ENTITY_CLAIM: ("covered_entities.participating_start|covered_entities.termination_date",)},
    programs=(),
    evidence=Evidence.STRONG,
    route=Route.ENTITY,
    party=Party.ENTITY,
    action=Action.INQUIRE,
    root_cause=root_causes.ENTITY_NOT_ACTIVE,
    data_source=DataSource.REGISTER_OF_COVERED_ENTITIES,
    citation="42 U.S.C. 256b(a)(4)",
    thresholds=(Threshold("days_of_lapse", 92, "days without participation that a late recertification may explain"),),
    guards=(RESUMED,),
)
def entity_not_active(f: Facts, parameters: Parameters) -> Hit:
    """The register's row of that very 340B id, valid at the date of service, states that it did not take part then. An
    id that the register does not hold is not judged.
    """
    lapse = days_between(f.entity_resumed_on, f.entity_termination_date)
    return Hit(
        when=~f.entity_is_active,
        message=sentence(
            "{claim}, but according to the 340B register{snapshot} it took part{span}: it appears not to have been "
            "eligible that day{resumed}.",
            claim=entity_claimed(f),
            snapshot=if_known(" of {day:date}", day=f.entity_snapshot_date),
            span=from_to(f.entity_participating_start, f.entity_termination_date),
            resumed=if_known("; it takes part again from {day:date}", day=f.entity_resumed_on),
        ),
        checks=(
            RESUMED.check(
                failed=F.coalesce(
                    (f.entity_termination_date <= f.date_of_service) & (lapse <= parameters.integer("days_of_lapse")),
                    F.lit(False),
                )
            ),
        ),
        units=f.quantity,
        references=(entity_row(f),),
    )


@rule(
    "R043",
    "Contract pharmacy not registered or terminated at the date of service",
    on={Subject.ENTITY_CLAIM: ("contract_pharmacies.pharmacy_npi",)},
    programs=(),
    evidence=Evidence.STRONG,
    route=Route.ENTITY,
    party=Party.ENTITY,
    action=Action.INQUIRE,
    root_cause=root_causes.CONTRACT_NOT_REGISTERED,
    data_source=DataSource.REGISTER_OF_COVERED_ENTITIES,
    citation="75 FR 10272 (March 5, 2010)",
    thresholds=(
        Threshold("confidence", 0.95, "how sure each contract's pharmacy must be (feature F13) for STRONG evidence"),
    ),
    guards=(IN_HOUSE, RELOCATED),
)
def pharmacy_not_registered(f: Facts, parameters: Parameters) -> Hit:
    """No contract of the entity, its parent or its parent's sites with this pharmacy holds. STRONG only where the
    pharmacy of every contract of theirs is known; that they have none at all is known only where `contract_pharmacies`
    is declared complete. Drugs that a provider gave (MEDICAL) need no pharmacy.
    """
    is_sure = F.coalesce(f.contracts_least_confidence >= parameters.number("confidence"), F.lit(False))
    if f"contract_pharmacies.{COMPLETE}" in parameters.available:
        is_sure = is_sure | F.coalesce(f.contracts_of_entity == 0, F.lit(False))
    had_one = f.contract_begin_date.isNotNull() | f.contract_termination_date.isNotNull()
    known = F.when(
        had_one,
        sentence(
            "the contract with this pharmacy held{span}",
            span=from_to(f.contract_begin_date, f.contract_termination_date),
        ),
    ).otherwise(
        sentence("none of the {count:count} registered contracts of its system names it", count=f.contracts_of_entity)
    )
    return Hit(
        when=(f.claim_type == ClaimType.RX.value) & ~f.contract_holds,
        message=sentence(
            "{claim}, but no contract pharmacy registration of the entity appears to cover that day: {known}{unsure}.",
            claim=entity_claimed(f),
            known=known,
            unsure=F.when(is_sure, F.lit(""))
            .when(f.contracts_of_entity == 0, F.lit("; the register is not declared complete"))
            .otherwise(F.lit("; not every contract identifies its pharmacy for sure, so one of them may be this")),
        ),
        evidence=either(is_sure, Evidence.STRONG, Evidence.WEAK),
        checks=(
            in_house(f),
            RELOCATED.check(failed=f.contract_other_npi.isNotNull()),
        ),
        units=f.quantity,
        references=(
            F.when(
                had_one,
                reference_row(
                    "contract_pharmacies",
                    key_of(f.parent_entity_id, f.pharmacy_npi),
                    f.contract_begin_date,
                    f.contract_termination_date,
                ),
            ),
        ),
    )


@rule(
    "R045",
    "Orphan drug at an entity for which it is excluded",
    on={Subject.ENTITY_CLAIM: ("covered_entities.entity_type", "orphan_drugs|products.orphan")},
    programs=(),
    evidence=Evidence.STRONG,
    route=Route.ENTITY,
    party=Party.ENTITY,
    action=Action.INQUIRE,
    root_cause=root_causes.PRODUCT_NOT_ELIGIBLE,
    data_source=DataSource.REGISTER_OF_COVERED_ENTITIES,
    citation="42 U.S.C. 256b(e)",
    thresholds=(
        Threshold("offered_voluntarily", [], "NDC-9s that the manufacturer sells to these entities at the 340B price"),
    ),
    guards=(DUAL_REGISTERED, SNAPSHOT),
)
def orphan_drug_at_excluded_entity(f: Facts, parameters: Parameters) -> Hit:
    """The entity is of a type that may not buy orphan drugs at the 340B price, and the NDC-11 is on the list of the
    quarter of service.
    """
    # the lists of quarters are dated
    designation = F.lit(None).cast("date") if "orphan_drugs" in parameters.available else f.product_known_from
    return Hit(
        when=f.f55_orphan_ce_conflict & ~f.ndc9.isin(*parameters.words("offered_voluntarily")),
        message=sentence(
            "{claim}. The entity is registered as {type}, for which orphan drugs are no covered outpatient "
            "drugs, and the product is on the orphan list of the quarter.",
            claim=entity_claimed(f),
            type=f.entity_type,
        ),
        checks=(
            DUAL_REGISTERED.check(failed=f.entity_is_dual_registered, unchecked=f.entity_is_dual_registered.isNull()),
            snapshot(f.date_of_service, f.entity_known_from, designation),
        ),
        units=f.quantity,
        references=(entity_row(f),),
    )
