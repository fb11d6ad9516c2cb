"""Inference of 340B use on managed-care claims, and its limits. Off unless the configuration enables it."""

from __future__ import annotations

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.rules import root_causes
from engine.rules.common import MCO, has_340b_flag, state_invoiced
from engine.rules.hit import Facts, Guard, Hit
from engine.rules.registry import DataSource, Parameters, Threshold, rule
from engine.rules.text import sentence

CLAIMS_OF_ENTITY = Guard(
    "CLAIMS_OF_ENTITY", "entities report their claims, so that a link or its absence is better evidence than inference"
)


@rule(
    "R006",
    "340B suspected from prescriber and pharmacy alone",
    on={Subject.REBATE_CLAIM: ("entity_claims", "contract_pharmacies.pharmacy_npi", "rebate_claims.prescriber_npi")},
    programs=MCO,
    evidence=Evidence.WEAK,
    route=Route.ENTITY,
    party=Party.UNDETERMINED,
    action=Action.INQUIRE,
    root_cause=root_causes.PHARMACY_340B,
    data_source=DataSource.CLAIMS_OF_COVERED_ENTITIES,
    citation="GAO-20-212; OIG OEI-05-14-00430",
    thresholds=(Threshold("share_340b", 0.6, "part of the pharmacy's claims for the product that are 340B claims"),),
    guards=(CLAIMS_OF_ENTITY,),
    accompanies=True,
    enabled=False,
)
def inferred_from_prescriber_and_pharmacy(f: Facts, parameters: Parameters) -> Hit:
    """The prescriber's claims were reported by an entity that has a contract with the pharmacy, and most of the
    pharmacy's claims for the product are 340B claims, but none is linked to this one. A question to the entity, never a
    dispute; it speaks only of claims on which another rule does, for such inference flags whole pharmacies.
    """
    return Hit(
        when=f.f16_ppm_link & (f.f15_pharm_340b_share >= parameters.number("share_340b")),
        message=sentence(
            "{claim}. An entity reported claims of its prescriber as 340B and has a contract with the pharmacy, where "
            "{share:percent} of the claims for this product are 340B claims: this may be one. No entity reported it.",
            claim=state_invoiced(f),
            share=f.f15_pharm_340b_share,
        ),
        checks=(CLAIMS_OF_ENTITY.check(failed=f.link_tier.isNotNull() | has_340b_flag(f)),),
    )


@rule(
    "R007",
    "Exclusion file is no evidence on managed care",
    on={Subject.REBATE_CLAIM: ("medicaid_exclusions",)},
    programs=MCO,
    evidence=Evidence.CONTEXT,
    route=Route.NONE,
    party=Party.OURSELVES,
    action=Action.NONE,
    root_cause=root_causes.ENTITY_NOT_EXCLUDED,
    data_source=DataSource.MEDICAID_EXCLUSION_FILE,
    citation="CMCS Informational Bulletin of 2020-01-08; HRSA Policy Release 2014-1",
    accompanies=True,
    enabled=False,
)
def listed_on_managed_care(f: Facts, _: Parameters) -> Hit:
    """A reminder alongside other findings: the biller is in the exclusion file, which is about fee-for-service only.
    Never a reason to dispute a managed-care claim.
    """
    return Hit(
        when=f.mef_entity_id.isNotNull(),
        message=sentence(
            "{claim}, billed under {listed}, which the Medicaid Exclusion File for {quarter} lists for 340B entity "
            "{entity}. The file is about fee-for-service only and is no evidence on this claim.",
            claim=state_invoiced(f),
            listed=f.mef_listed_as,
            quarter=f.mef_quarter,
            entity=f.mef_entity_id,
        ),
    )
