"""340B units in Medicare inflation rebates, from which the law excludes them."""

from __future__ import annotations

from pyspark.sql import functions as F

from engine.contracts.codes import Action, ClaimType, Evidence, Party, Route, Subject
from engine.rules import root_causes
from engine.rules.common import SNAPSHOT, day, snapshot
from engine.rules.entity_common import entity_claimed, entity_row
from engine.rules.hit import Facts, Guard, Hit, key_of, reference_row
from engine.rules.registry import DataSource, Parameters, Threshold, rule
from engine.rules.text import listed_rows, sentence

ENTITY_TYPE = Guard(
    "ENTITY_TYPE",
    "the service was before all entities had to use a 340B modifier, and the entity is of a type that did not yet",
    needs=("covered_entities.entity_type",),
)
ONE_OF_SEVERAL = Guard(
    "ONE_OF_SEVERAL",
    "another line of the provider for the drug and day carries the modifier: this one may be of another patient",
    weakens_to=Evidence.WEAK,
)

ESTIMATE = Guard(
    "ESTIMATE",
    "CMS excluded units by an estimate from prescribers and pharmacies, which need not match the claims of entities",
    needs=("inflation_reports.exclusion_method",),
    weakens_to=Evidence.WEAK,
)


@rule(
    "R014",
    "340B units left in the Part D inflation rebate",
    on={Subject.INFLATION_REPORT: ("inflation_reports.excluded_units", "entity_claims.bin", "part_d_plans")},
    programs=(),
    evidence=Evidence.MEDIUM,
    route=Route.NONE,
    party=Party.UNDETERMINED,
    action=Action.INQUIRE,
    root_cause=root_causes.PRICE_OF_PRODUCT,
    data_source=DataSource.MEDICARE_INFLATION_REBATES,
    citation="42 U.S.C. 1395w-114b(b)(1)(B) (SSA 1860D-14B(b)(1)(B))",
    thresholds=(
        Threshold("tolerance", 0.1, "part of the units that entities claim by which CMS may have excluded fewer"),
        Threshold("minimum_units", 100.0, "units left in that make an inquiry worthwhile"),
    ),
    guards=(ESTIMATE,),
)
def part_d_units_left_in(f: Facts, parameters: Parameters) -> Hit:
    """CMS left fewer units of the product out of the rebate as 340B than covered entities report as 340B and dispensed
    to members of Part D plans (by BIN and PCN), from 2026-01-01 in the applicable period. One dispense counts once. At
    issue is the difference.
    """
    left_in = f.part_d_units_claimed - f.excluded_units
    least_expected = f.part_d_units_claimed * (1 - parameters.number("tolerance"))
    return Hit(
        when=(f.excluded_units < least_expected) & (left_in > parameters.number("minimum_units")),
        message=sentence(
            "The report of the Part D inflation rebate on NDC {ndc} for the applicable period from {start:date} leaves "
            "out {excluded:number} units as 340B, but covered entities report {claimed:number} units of "
            "{dispenses:count} dispenses to members of Part D plans from {since:date} as bought at the 340B price: "
            "{left_in:number} units appear to be left in the rebate.",
            ndc=f.ndc11,
            start=f.period_start,
            excluded=f.excluded_units,
            claimed=f.part_d_units_claimed,
            dispenses=f.part_d_dispenses,
            since=f.left_out_from,
            left_in=left_in,
        ),
        checks=(ESTIMATE.check(failed=f.exclusion_method == "ESTIMATE", unchecked=f.exclusion_method.isNull()),),
        units=left_in,
        references=(
            reference_row(
                "inflation_reports", key_of(f.ndc11, f.period), f.period_start, f.period_end, f.snapshot_date
            ),
        ),
    )


@rule(
    "R015",
    "Medicare Part B line of a 340B drug without its modifier",
    on={Subject.ENTITY_CLAIM: ("part_b_lines.modifiers", "entity_claims.hcpcs_code")},
    programs=(),
    evidence=Evidence.MEDIUM,
    route=Route.ENTITY,
    party=Party.ENTITY,
    action=Action.INQUIRE,
    root_cause=root_causes.MODIFIER_MISSING,
    data_source=DataSource.MEDICARE_INFLATION_REBATES,
    citation="42 U.S.C. 1395w-3a(i)(3)(B)(ii)(I) (SSA 1847A(i)(3))",
    thresholds=(
        Threshold("first_date_of_service", "2024-01-01", "first day of service that is judged"),
        Threshold("all_entities_from", "2025-01-01", "day of service from which entities of every type are bound"),
        Threshold(
            "entity_types_before", ["DSH", "PED", "CAN", "CAH", "RRC", "SCH"], "types that were bound before that day"
        ),
    ),
    guards=(ENTITY_TYPE, ONE_OF_SEVERAL, SNAPSHOT),
)
def part_b_line_without_modifier(f: Facts, parameters: Parameters) -> Hit:
    """The entity reports a medical claim as 340B, and a Medicare Part B line of the same provider, day, HCPCS code and
    (where the line has one) NDC carries neither TB nor JG: CMS counts such units into the Part B inflation rebate. That
    both are one patient's is likely, not known.
    """
    is_judged_by_type = f.date_of_service < day(parameters.day("all_entities_from"))
    return Hit(
        when=(f.claim_type == ClaimType.MEDICAL.value)
        & (f.date_of_service >= day(parameters.day("first_date_of_service")))
        & (F.size(f.part_b_unmarked_row_ids) > 0),
        message=sentence(
            "{claim}, HCPCS code {code}, but the Medicare Part B line of that provider and day ({rows}) carries "
            "neither TB nor JG: its units appear to be counted into the Part B inflation rebate although they were "
            "bought at the 340B price.",
            claim=entity_claimed(f),
            code=f.hcpcs_code,
            rows=listed_rows(f.part_b_unmarked_row_ids, f.part_b_lines_unmarked),
        ),
        checks=(
            ENTITY_TYPE.check(
                failed=~f.entity_type.isin(*parameters.words("entity_types_before")),
                unchecked=f.entity_type.isNull(),
                only_where=is_judged_by_type,
            ),
            ONE_OF_SEVERAL.check(failed=f.part_b_lines_marked > 0),
            snapshot(f.date_of_service, F.when(is_judged_by_type, f.entity_known_from)),
        ),
        related=f.part_b_unmarked_row_ids,
        related_count=f.part_b_lines_unmarked,
        units=f.quantity,
        references=(entity_row(f),),
    )
