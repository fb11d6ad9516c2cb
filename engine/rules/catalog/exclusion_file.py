"""Billing numbers in the Medicaid Exclusion File, whose entities use 340B drugs for Medicaid patients."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, Evidence, Party, Route, Subject
from engine.intervals import start_of_quarter
from engine.rules import root_causes
from engine.rules.common import (
    DOCUMENT_EXCLUSION_FILE,
    FFS,
    PURCHASE_GUARDS,
    PURCHASE_TOLERANCE,
    SNAPSHOT,
    claim_units,
    purchase_checks,
    quarter_after,
    snapshot,
    state_invoiced,
)
from engine.rules.hit import Facts, Guard, Hit, key_of, reference_row
from engine.rules.registry import DataSource, Parameters, Part, rule
from engine.rules.text import if_known, sentence
from engine.runtime.expressions import array_contains

STATE_METHOD = Guard(
    "STATE_METHOD",
    "the state identifies 340B claims by another method than the exclusion file",
    needs=("state_340b_policies.method",),
)


@rule(
    "R002",
    "Biller listed in the Medicaid Exclusion File",
    on={Subject.REBATE_CLAIM: ("medicaid_exclusions",)},
    programs=FFS,
    evidence=Evidence.STRONG,
    codes=("X",),
    route=Route.STATE,
    party=Party.STATE,
    action=Action.DISPUTE,
    root_cause=root_causes.ENTITY_NOT_EXCLUDED,
    data_source=DataSource.MEDICAID_EXCLUSION_FILE,
    citation="42 U.S.C. 256b(a)(5)(A)(ii); HRSA Policy Release 2014-1",
    document=DOCUMENT_EXCLUSION_FILE,
    parts=(
        Part("by Medicaid number", needs=("medicaid_exclusions.medicaid_number", "rebate_claims.medicaid_provider_id")),
        Part(
            "billers known by their NCPDP id alone",
            needs=("pharmacies.ncpdp_id",),
            where=("rebate_claims.pharmacy_ncpdp_id",),
        ),
    ),
    thresholds=(PURCHASE_TOLERANCE,),
    guards=(STATE_METHOD, *PURCHASE_GUARDS, SNAPSHOT),
)
def biller_in_exclusion_file(f: Facts, parameters: Parameters) -> Hit:
    """The billing NPI or Medicaid number is in the exclusion file of the quarter of service for the billed state.
    The file is about fee-for-service only.
    """
    message = sentence(
        "{claim}, billed under {listed}. The Medicaid Exclusion File for {quarter}{snapshot} lists that number for "
        "340B entity {entity}, which states that its Medicaid patients get 340B drugs: a 340B price and a Medicaid "
        "rebate on one dispense are suspected.",
        claim=state_invoiced(f),
        listed=f.mef_listed_as,
        quarter=f.mef_quarter,
        snapshot=if_known(" (file of {day:date})", day=f.mef_snapshot_date),
        entity=f.mef_entity_id,
    )
    start = start_of_quarter(f.mef_quarter)
    listing = reference_row(
        "medicaid_exclusions",
        key_of(f.mef_entity_id, f.mef_listed_as, f.payer_id, f.mef_quarter),
        start,
        quarter_after(start),
        f.mef_snapshot_date,
    )
    # if a state uses several methods, any one of them marks a claim
    another_method = STATE_METHOD.check(failed=~array_contains(F.split(f.state_340b_method, r"\|"), F.lit("MEF")))
    return Hit(
        when=f.mef_entity_id.isNotNull(),
        message=message,
        checks=(
            another_method,
            *purchase_checks(f, parameters),
            snapshot(f.date_of_service, f.state_340b_method_known_from),
        ),
        units=claim_units(f),
        references=(listing,),
    )
