"""340B drugs possibly dispensed to persons who are not patients of the entity: never more than an inquiry."""

from __future__ import annotations

from engine.contracts.codes import Action, ClaimType, Evidence, Party, Route, Subject
from engine.rules import root_causes
from engine.rules.catalog.entity_standing import IN_HOUSE, in_house
from engine.rules.common import SNAPSHOT, snapshot
from engine.rules.entity_common import entity_claimed, entity_row
from engine.rules.hit import Facts, Hit
from engine.rules.registry import DataSource, Parameters, Threshold, rule
from engine.rules.text import sentence


@rule(
    "R050",
    "Pattern that may point to diversion",
    on={
        Subject.ENTITY_CLAIM: (
            *("zip_centroids", "pharmacies.zip", "covered_entities.zip"),
            *("rebate_claims.prescriber_npi", "entity_claims.prescriber_npi"),
        )
    },
    programs=(),
    evidence=Evidence.WEAK,
    route=Route.ENTITY,
    party=Party.UNDETERMINED,
    action=Action.INQUIRE,
    root_cause=root_causes.DIVERSION_PATTERN,
    data_source=DataSource.PRESCRIBER_DISTANCE_AND_VOLUME,
    citation="42 U.S.C. 256b(a)(5)(B); 61 FR 55156 (October 24, 1996)",
    thresholds=(
        Threshold(
            "prescriber_share", 0.1, "part of the prescriber's prescriptions that the entity claims, below which"
        ),
        Threshold("minimum_prescriptions", 20, "prescriptions that this part must rest on"),
        Threshold("kilometres", 100.0, "distance of the pharmacy from the entity, above which"),
        Threshold("volume_z", 4.0, "robust z-score of the entity's units among the product's entities, above which"),
        Threshold("times_usual", 10.0, "and at least so many times the product's usual units of an entity"),
        Threshold(
            "distant_pharmacies", [], "NPIs of mail-order and specialty pharmacies, which are far from most people"
        ),
    ),
    guards=(IN_HOUSE, SNAPSHOT),
)
def may_be_diverted(f: Facts, parameters: Parameters) -> Hit:
    """Of the prescriber's prescriptions for the product the entity claimed hardly any before, the pharmacy is far from
    the entity, and the entity claims far more of the product in the quarter than others do: all three. Who the patient
    was, and whether the prescriber sees the entity's patients from afar, only an audit could show.
    """
    is_hardly_known = (f.f17_prescriber_ce_share < parameters.number("prescriber_share")) & (
        f.prescriptions_known >= parameters.integer("minimum_prescriptions")
    )
    is_far = f.f18_dist_ce_pharm_km > parameters.number("kilometres")
    is_far_from_all = f.pharmacy_npi.isin(*parameters.words("distant_pharmacies"))
    return Hit(
        when=(f.claim_type == ClaimType.RX.value)
        & is_hardly_known
        & is_far
        & ~is_far_from_all
        & (f.ce_volume_z > parameters.number("volume_z"))
        # if nearly all entities have equal claims, a single further claim would already be an outlier
        & (f.ce_quarter_units >= parameters.number("times_usual") * f.ce_usual_quarter_units),
        message=sentence(
            "{claim}. Of {known:count} earlier prescriptions of prescriber {prescriber} for the product the entity "
            "claimed {share:percent}, the pharmacy is {km:count} km from the entity, and in this quarter the entity "
            "claims {units:number} units of the product, other entities usually {usual:number}: ask whether the "
            "patient was a patient of the entity.",
            claim=entity_claimed(f),
            known=f.prescriptions_known,
            prescriber=f.prescriber_npi,
            share=f.f17_prescriber_ce_share,
            km=f.f18_dist_ce_pharm_km,
            units=f.ce_quarter_units,
            usual=f.ce_usual_quarter_units,
        ),
        checks=(in_house(f), snapshot(f.date_of_service, f.entity_known_from)),
        units=f.quantity,
        references=(entity_row(f),),
    )
